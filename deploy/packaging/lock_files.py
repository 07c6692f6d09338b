"""Writes the locks: the newest wheels that pyproject.toml allows for a device's agent, with their hashes.

Run it from a checkout with `make locks`; then `make test-flash` shows whether they work.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.deploy.raspberry_pi_os import OS_RELEASES, OsRelease

from .wheel import write_wheel


def lock_packages(os_release: OsRelease) -> str:
    """A requirements file: each package with its version and the SHA-256 of its wheel for this release."""
    with TemporaryDirectory() as temporary:
        requirement = f"{write_wheel(Path(temporary))}[edge]"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--report=-", "--quiet"]
        command += ["--only-binary=:all:", f"--python-version={os_release.python}", f"--target={temporary}/site"]
        command += [f"--platform={platform}" for platform in os_release.platforms]
        # a device that lost YuNet's file detects with the Haar cascade, which OpenCV 5 does not have
        result = subprocess.run(
            [*command, requirement, "opencv-python-headless<5"], capture_output=True, text=True, check=True
        )
    lines = [
        f"{package['metadata']['name']}=={package['metadata']['version']} \\\n"
        f"    --hash=sha256:{package['download_info']['archive_info']['hashes']['sha256']}"
        for package in json.loads(result.stdout)["install"]
        if package["metadata"]["name"] != "mien"
    ]
    header = f"# The agent's packages on Raspberry Pi OS {os_release.name} (64-bit). Made by `make locks`."
    return "\n".join([header, *sorted(lines, key=str.lower), ""])


if __name__ == "__main__":
    for os_release in OS_RELEASES.values():
        (Path(__file__).parent / "locks" / f"{os_release.name}.txt").write_text(lock_packages(os_release))

"""Writes the locks anew: the newest wheels that pyproject.toml allows for a device's agent, with their hashes.

Run from a checkout by `make locks`; then `make test-flash` shows whether they work.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .raspberry_pi_os import RELEASES, Release
from .wheel import write_wheel


def lock(release: Release) -> str:
    """A requirements file: each package with its version and the SHA-256 of the wheel for this release."""
    with TemporaryDirectory() as place:
        wanted = f"{write_wheel(Path(place))}[edge]"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--report=-", "--quiet"]
        command += ["--only-binary=:all:", f"--python-version={release.python}", f"--target={place}/site"]
        command += [f"--platform={platform}" for platform in release.platforms]
        report = json.loads(subprocess.run([*command, wanted], capture_output=True, text=True, check=True).stdout)
    lines = [
        f"{package['metadata']['name']}=={package['metadata']['version']} \\\n"
        f"    --hash=sha256:{package['download_info']['archive_info']['hashes']['sha256']}"
        for package in report["install"]
        if package["metadata"]["name"] != "mien"
    ]
    head = f"# The agent's packages on Raspberry Pi OS {release.name} (64 bits). Made by `make locks`."
    return "\n".join([head, *sorted(lines, key=str.lower), ""])


if __name__ == "__main__":
    for release in RELEASES.values():
        (Path(__file__).parent / "locks" / f"{release.name}.txt").write_text(lock(release))

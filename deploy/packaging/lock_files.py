"""Writes the locks: the newest wheels that pyproject.toml allows for a device's agent and a server's image.

Run it from a checkout with `make locks`; then `make test-flash` shows whether the device's work.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.deploy.raspberry_pi_os import OS_RELEASES, OsRelease

from .wheel import write_wheel

SERVER_PYTHONS = ("3.11", "3.12", "3.13")
SERVER_MACHINES = ("x86_64", "aarch64")
SERVER_GLIBC = 36
"""Debian bookworm's, 2.x: what has wheels for it also runs on later ones."""


def lock_packages(os_release: OsRelease) -> str:
    """A requirements file: each package with its version and the SHA-256 of its wheel for this release."""
    # a device that lost YuNet's file detects with the Haar cascade, which OpenCV 5 does not have
    found = _resolve("edge", os_release.python, os_release.platforms, ["opencv-python-headless<5"])
    header = f"# The agent's packages on Raspberry Pi OS {os_release.name} (64-bit). Made by `make locks`."
    return _requirements(header, {package: [digest] for package, digest in found.items()})


def lock_server() -> str:
    """A requirements file of the collector and the dashboard, with the wheels' hashes for each Python and processor."""
    hashes: dict[str, list[str]] = {}
    constraints: list[str] = []
    for python in reversed(SERVER_PYTHONS):
        for machine in SERVER_MACHINES:
            platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(SERVER_GLIBC, 16, -1)]
            platforms.append(f"manylinux2014_{machine}")
            found = _resolve("dashboard,postgresql", python, platforms, constraints)
            constraints = constraints or list(found)  # the same versions everywhere
            for package, digest in found.items():
                if digest not in hashes.setdefault(package, []):
                    hashes[package].append(digest)
    return _requirements("# The packages of the server's image. Made by `make locks`.", hashes)


def _resolve(extras: str, python: str, platforms: Sequence[str], further: Sequence[str]) -> dict[str, str]:
    """What pip would install, as `name==version`, with the SHA-256 of each wheel."""
    with TemporaryDirectory() as temporary:
        requirement = f"{write_wheel(Path(temporary))}[{extras}]"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--report=-", "--quiet"]
        command += ["--only-binary=:all:", f"--python-version={python}", f"--target={temporary}/site"]
        command += [f"--platform={platform}" for platform in platforms]
        result = subprocess.run([*command, requirement, *further], capture_output=True, text=True, check=True)
    return {
        f"{package['metadata']['name']}=={package['metadata']['version']}": (
            package["download_info"]["archive_info"]["hashes"]["sha256"]
        )
        for package in json.loads(result.stdout)["install"]
        if package["metadata"]["name"] != "mien"
    }


def _requirements(header: str, hashes: dict[str, list[str]]) -> str:
    lines = [
        " \\\n    ".join([package, *(f"--hash=sha256:{digest}" for digest in digests)])
        for package, digests in hashes.items()
    ]
    return "\n".join([header, *sorted(lines, key=str.lower), ""])


if __name__ == "__main__":
    locks = Path(__file__).parent / "locks"
    for os_release in OS_RELEASES.values():
        (locks / f"{os_release.name}.txt").write_text(lock_packages(os_release))
    (locks / "server.txt").write_text(lock_server())

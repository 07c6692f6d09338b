"""The packages of a device's agent: an archive made from their locked wheels, ready to unpack."""

import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.deploy.raspberry_pi_os import OsRelease
from mien.errors import DataError, MissingExtra
from mien.files.atomic_file import move_into_place

COMPRESSION_LEVEL = 6


def cache_folder() -> Path:
    """Where archives are kept: the user's cache (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mien"


def archive_name(os_release: OsRelease) -> str:
    """The archive's file name, which changes with the lock."""
    key = "\n".join([os_release.lock, os_release.python, *os_release.platforms])
    return f"{os_release.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.tar.gz"


def packages_archive(os_release: OsRelease, cache: Path) -> Path:
    """The archive for a release of Raspberry Pi OS, made once for each lock and kept in `cache`.

    pip downloads the wheels and refuses one whose hash is not in the lock: DataError with pip's last line.
    """
    archive = cache / archive_name(os_release)
    if archive.exists():
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as temporary:
        folder = Path(temporary)
        site, lock, new_archive = folder / "site", folder / "lock.txt", folder / "packages.tar.gz"
        lock.write_text(os_release.lock)
        _install(os_release, lock, site)
        _write_archive(site, new_archive)
        move_into_place(new_archive, archive)
    return archive


def _install(os_release: OsRelease, lock: Path, site: Path) -> None:
    """Have pip unpack the locked wheels into a folder."""
    platforms = [f"--platform={platform}" for platform in os_release.platforms]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--no-compile"]
    command += ["--disable-pip-version-check", "--require-hashes", f"--target={site}", *platforms]
    command += [f"--python-version={os_release.python}", "--requirement", str(lock)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named pip" in result.stderr:
        raise MissingExtra(f"the packages for {os_release.name} need pip, which is not installed: python -m ensurepip")
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"the packages for {os_release.name} cannot be downloaded ({reason}): check the network")


def _write_archive(site: Path, archive: Path) -> None:
    """The same packages produce the same bytes."""

    def normalize(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() else 0o644
        # the scripts of packages would start this machine's Python
        return None if member.name.split("/")[0] == "bin" else member

    with (
        gzip.GzipFile(archive, "wb", COMPRESSION_LEVEL, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as output,
    ):
        for entry in sorted(site.iterdir()):
            output.add(entry, entry.name, filter=normalize)

"""The packages of a device's agent, from their locked wheels, in one archive to unpack."""

import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.errors import DataError, MissingExtra

from .raspberry_pi_os import Release

COMPRESSION = 6


def cache() -> Path:
    """Where archives are kept: in the user's cache (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mien"


def archive_name(release: Release) -> str:
    """The file's name: another lock, another name."""
    digest = hashlib.sha256("\n".join([release.lock, release.python, *release.platforms]).encode()).hexdigest()
    return f"{release.name}-{digest[:16]}.tar.gz"


def packages_archive(release: Release, cache: Path) -> Path:
    """The archive for a release of Raspberry Pi OS, made once for each lock and kept in `cache`.

    pip gets the wheels and refuses one that has not its locked hash: DataError with pip's own last line.
    """
    archive = cache / archive_name(release)
    if archive.exists():
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as place:
        site, lock, packed = Path(place) / "site", Path(place) / "lock.txt", Path(place) / "packages.tar.gz"
        lock.write_text(release.lock)
        _get(release, lock, site)
        _pack(site, packed)
        packed.replace(archive)
    return archive


def _get(release: Release, lock: Path, site: Path) -> None:
    platforms = [f"--platform={platform}" for platform in release.platforms]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--no-compile"]
    command += ["--disable-pip-version-check", "--require-hashes", f"--target={site}", *platforms]
    told = subprocess.run(
        [*command, f"--python-version={release.python}", "--requirement", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named pip" in told.stderr:
        raise MissingExtra(f"the packages of {release.name} are got by pip, which is not here: python -m ensurepip")
    if told.returncode:
        reason = (told.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"the packages of {release.name} cannot be got ({reason}): try again with a network")


def _pack(site: Path, archive: Path) -> None:
    """The same packages give the same bytes."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() else 0o644
        # scripts of packages start this machine's Python
        return None if member.name.split("/")[0] == "bin" else member

    with (
        gzip.GzipFile(archive, "wb", COMPRESSION, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as packed,
    ):
        for entry in sorted(site.iterdir()):
            packed.add(entry, entry.name, filter=plain)

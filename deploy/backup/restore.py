"""Restores a backup into a new server folder, on this or another machine."""

import gzip
import io
import os
import pwd
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from mien.deploy.server.folder import FOLDERS, ServerFolder, check_new_folder
from mien.deploy.server.relocation import relocate
from mien.errors import DataError, UsageError
from mien.files.atomic_file import SECRET

from .age_file import AgeReader
from .contents import FILES, FORMAT, MANIFEST, Manifest

MAX_MANIFEST_BYTES = 65_536
DAMAGED = "the backup is damaged or incomplete: use another copy of it"


@dataclass(frozen=True, slots=True)
class Restored:
    """A server folder that was restored."""

    server: ServerFolder
    made_at: str
    """When the backup was made: what devices sent later is lost."""
    log: Path | None
    """The emotion log; None if the backup contains none, or a dump."""
    dump: Path | None
    """A dump of a PostgreSQL database, to be restored with pg_restore."""
    database: str
    """The emotion log, as collector.toml names it."""


def restore(file: Path, folder: Path, passphrase: str) -> Restored:
    """Restore a backup into a new folder, which exists only once everything is in it.

    UsageError for a wrong passphrase or a folder that is not empty; DataError if the file is damaged or no backup.
    """
    folder = check_new_folder(folder)
    temporary = folder.with_name(f".{folder.name}.restoring")
    shutil.rmtree(temporary, ignore_errors=True)  # of an interrupted restoration
    try:
        source = file.open("rb")
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}): name a file of `mien server backup`") from error
    with source:
        age = AgeReader(source, passphrase)
        temporary.mkdir(mode=0o700, parents=True)
        try:
            manifest = _unpack(age, temporary)
            log = _adapt(temporary, folder, manifest)
            if folder.exists():
                folder.rmdir()
            temporary.rename(folder)
        except OSError as error:
            raise UsageError(f"{folder} cannot be written ({error}): name a path that has room for it") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    server = ServerFolder(folder)
    server.write_access_lists()
    dump = folder / manifest.copy if manifest.copy and log is None else None
    return Restored(server, manifest.made_at, log, dump, manifest.database)


def _unpack(age: AgeReader, folder: Path) -> Manifest:
    """Write the files of an archive; only regular files with names below the folder are accepted."""
    manifest: Manifest | None = None
    buffer = io.BufferedReader(age, 1 << 20)
    try:
        with gzip.GzipFile(fileobj=buffer) as compressed, tarfile.open(fileobj=compressed, mode="r|") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or ".." in name.parts or name.is_absolute():
                    raise DataError(f"the backup contains {member.name!r}, which mien never writes: do not trust it")
                if manifest is None:
                    manifest = _read_manifest(name, content)
                elif name.is_relative_to(FILES):
                    _write(folder / name.relative_to(FILES), content, member.mode)
        buffer.read()  # to the end, where a file that was cut off shows
    except (EOFError, tarfile.TarError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(DAMAGED) from error
    if manifest is None:
        raise DataError(DAMAGED)
    for empty in (*FOLDERS, "grafana/data"):  # an archive contains files only
        (folder / empty).mkdir(mode=0o700, parents=True, exist_ok=True)
    return manifest


def _read_manifest(name: PurePosixPath, content: IO[bytes]) -> Manifest:
    try:
        if name != MANIFEST:
            raise msgspec.DecodeError
        return msgspec.json.decode(content.read(MAX_MANIFEST_BYTES), type=Manifest)
    except msgspec.DecodeError as error:
        raise DataError(
            f"this is not a backup that this release can read (format {FORMAT}): use a newer mien"
        ) from error


def _write(file: Path, content: IO[bytes], mode: int) -> None:
    for parent in reversed(file.parents):
        if not parent.exists():
            parent.mkdir(mode=0o700)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET), "wb") as output:
        shutil.copyfileobj(content, output, 1 << 20)
        os.fchmod(output.fileno(), mode & 0o755 | SECRET)
        os.fsync(output.fileno())


def _adapt(temporary: Path, folder: Path, manifest: Manifest) -> Path | None:
    """Make the files name their new folder, the copy of the log, and this machine's user and programs.

    Returns where the log will be.
    """
    user = pwd.getpwuid(os.getuid()).pw_name
    log = folder / manifest.copy if manifest.copy and "://" not in manifest.database else None
    renamed = {manifest.folder: str(folder)} | ({manifest.database: str(log)} if log else {})
    relocate(temporary, folder, renamed, user, (os.getuid(), os.getgid()))
    return log

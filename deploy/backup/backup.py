"""Writes a backup: a gzipped tar archive in a file that age encrypts with a passphrase.

Without mien: `age --decrypt FILE | tar --extract --gzip`.
"""

import gzip
import io
import re
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

import msgspec

from mien.deploy.server.folder import ServerFolder
from mien.errors import ConfigurationError, UsageError
from mien.files.atomic_file import SECRET, atomic_write
from mien.files.text_file import read_text
from mien.settings.load import load_settings
from mien.settings.registry import settings_type_of
from mien.version import VERSION

from .age_file import LOG2_ROUNDS, AgeWriter
from .contents import DATA, FILES, MANIFEST, Manifest, server_files
from .log_copy import copy_sqlite, dump_postgresql

MIN_PASSPHRASE = 12
"""Characters: whoever has the file can guess about once a second for each 256 MiB of memory."""
COMPRESSION_LEVEL = 6
BUFFER_BYTES = 1 << 20
DUMP = "mien.pgdump"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written."""

    size_bytes: int
    database: str
    """The emotion log that it contains; empty if none."""
    warning: str
    """What it does not contain, though it may be expected to; empty if nothing."""


def back_up(
    server: ServerFolder, file: Path, passphrase: str, *, with_database: bool = True, log2_rounds: int = LOG2_ROUNDS
) -> Backup:
    """Write a server folder and its emotion log to a file; the programs that use them go on running.

    UsageError if the file cannot be written there or the passphrase is short; the errors of `log_copy`.
    """
    if len(passphrase) < MIN_PASSPHRASE:
        raise UsageError(f"the passphrase is too short: at least {MIN_PASSPHRASE} characters, such as five words")
    if file.resolve().is_relative_to(server.path):
        raise UsageError(f"{file} would be lost together with {server.path}: name a file outside, on another disk")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is not a folder: create it, or name a file in another folder")
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is not a regular file, which mien does not replace: name another file")
    database = _database_of(server) if with_database else ""
    with TemporaryDirectory(prefix=".backup-", dir=_folder_for_copy(server, database)) as temporary:
        copy = _copy_log(database, Path(temporary))
        manifest = Manifest(
            release=VERSION,
            made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            folder=str(server.path),
            database=database,
            copy="" if copy is None else str(DATA / copy.name),
        )
        try:
            with atomic_write(file, mode=SECRET) as part:
                with part.open("r+b") as output:
                    _write_archive(AgeWriter(output, passphrase, log2_rounds=log2_rounds), server.path, manifest, copy)
                size_bytes = part.stat().st_size
        except OSError as error:
            hint = "name a path that has room for it"
            raise UsageError(f"{file} cannot be written ({error.strerror or error}): {hint}") from error
    warning = _container_warning(server.path) if with_database else ""
    return Backup(size_bytes, "" if copy is None else without_password(database), warning)


def without_password(database: str) -> str:
    """A database's URL, as it can be shown."""
    return re.sub(r"(://[^:@/]*):[^@/]*@", r"\1@", database)


def _database_of(server: ServerFolder) -> str:
    """The emotion log, as collector.toml names it."""
    file = server.path / "collector" / "collector.toml"
    try:
        settings = load_settings(file, settings_type_of("collector"))
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; --without-database leaves the log out") from error
    return str(msgspec.structs.asdict(settings)["database"])


def _folder_for_copy(server: ServerFolder, database: str) -> Path:
    """Next to the log: its copy must not reach a disk where the log itself is not."""
    if database and "://" not in database and Path(database).exists():
        return Path(database).absolute().parent
    return server.path / "collector" / "data"


def _copy_log(database: str, folder: Path) -> Path | None:
    """A copy of the log in the folder; None if there is none yet."""
    if "://" in database:
        dump_postgresql(database, folder / DUMP)
        return folder / DUMP
    source = Path(database)
    if not database or not source.exists():
        return None
    copy_sqlite(source, folder / source.name)
    return folder / source.name


def _write_archive(age: AgeWriter, folder: Path, manifest: Manifest, copy: Path | None) -> None:
    with (
        io.BufferedWriter(age, BUFFER_BYTES) as buffer,  # type: ignore[type-var]  # its `write` takes bytes only
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=COMPRESSION_LEVEL) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        content = msgspec.json.format(msgspec.json.encode(manifest))
        _add(archive, MANIFEST, io.BytesIO(content), len(content))
        for file in server_files(folder):
            _add_file(archive, FILES / file.relative_to(folder).as_posix(), file)
        if copy is not None:
            _add_file(archive, FILES / manifest.copy, copy)


def _add_file(archive: tarfile.TarFile, name: PurePosixPath, file: Path) -> None:
    with file.open("rb") as content:
        status = file.stat()
        _add(archive, name, content, status.st_size, mode=status.st_mode & 0o777, changed_s=int(status.st_mtime))


def _add(
    archive: tarfile.TarFile,
    name: PurePosixPath,
    content: IO[bytes],
    size_bytes: int,
    *,
    mode: int = SECRET,
    changed_s: int = 0,
) -> None:
    """Without owners: those of another machine mean nothing."""
    member = tarfile.TarInfo(str(name))
    member.size, member.mode, member.mtime = size_bytes, mode, changed_s
    archive.addfile(member, content)


def _container_warning(folder: Path) -> str:
    environment = folder / ".env"
    if not environment.exists() or not re.search("^COMPOSE_PROFILES=.*postgresql", read_text(environment), re.M):
        return ""
    command = "docker compose exec -T database pg_dump --username mien --format custom mien > mien.pgdump"
    return f"the log in the container of PostgreSQL is not in the backup: back it up with `{command}`"

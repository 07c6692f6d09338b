"""Opens SQLite files of any name for reading, also where nothing can be written: another user's, a mounted backup."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mien.errors import DatabaseError

UNWRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""How SQLite says that it cannot create the index of a write-ahead log, which even a reader needs."""


def open_read_only(path: Path, *, timeout_s: float = 5.0, any_thread: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode that cannot write; sqlite3.Error if it cannot be opened.

    Where the folder cannot be written, a file without a write-ahead log is opened as one that does not change
    (https://sqlite.org/uri.html#uriimmutable): an ImmutableConnection. With a log, and without the index that a running
    writer keeps beside it, DatabaseError says how to copy both.
    """
    options: dict[str, Any] = {
        "uri": True,
        "timeout": timeout_s,
        "isolation_level": None,
        "check_same_thread": not any_thread,
    }
    connection: sqlite3.Connection = sqlite3.connect(read_only_uri(path), **options)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        connection.close()
        if primary_code(error) not in UNWRITABLE or not os.access(path, os.R_OK):
            raise
        log = write_ahead_log(path)
        if _has_content(log):
            raise DatabaseError(
                f"{path} cannot be read where it is: a part of it is in {log.name}, which needs write access to the "
                f"folder: copy both files into a folder of your own, and name the copy of {path.name}"
            ) from error
        immutable: ImmutableConnection = sqlite3.connect(
            read_only_uri(path, immutable=True), factory=ImmutableConnection, **options
        )
        immutable.watch(path)
        return immutable
    except BaseException:
        connection.close()
        raise
    return connection


class ImmutableConnection(sqlite3.Connection):
    """A connection that does not notice when another program writes the file after all."""

    def watch(self, path: Path) -> None:
        """Remember how the file is now."""
        self._path = path
        self._state = self._read_state()

    def is_current(self) -> bool:
        """Whether nobody has written the file since. If not, what this connection reads may be nonsense."""
        return self._read_state() == self._state

    def _read_state(self) -> tuple[int, int, int, bool] | None:
        with suppress(OSError):
            status = self._path.stat()
            return status.st_ino, status.st_size, status.st_mtime_ns, _has_content(write_ahead_log(self._path))
        return None


def read_only_uri(path: Path, *, immutable: bool = False) -> str:
    """The URI of a file for `sqlite3.connect(..., uri=True)`; its name may have `%`, `?` and any bytes but zero."""
    return f"file://{quote(os.fsencode(path.absolute()))}?mode=ro{'&immutable=1' if immutable else ''}"


def write_ahead_log(path: Path) -> Path:
    """The file beside a database that holds what has been committed since the last checkpoint."""
    return path.with_name(f"{path.name}-wal")


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension, such as sqlite3.SQLITE_BUSY; 0 if Python raised the error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _has_content(file: Path) -> bool:
    with suppress(FileNotFoundError):
        return file.stat().st_size > 0
    return False

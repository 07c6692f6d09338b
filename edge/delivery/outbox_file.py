"""The SQLite file of an outbox: creates it, opens it, and sets it aside if it is corrupt."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from mien.errors import DatabaseError
from mien.files.sqlite_file import primary_code

from .outbox_schema import create_or_upgrade_schema

CORRUPT_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""SQLite's primary result codes of a file that is set aside."""

log = logging.getLogger(__name__)


class OutboxFile:
    """One connection to the file, safe for several threads."""

    def __init__(self, path: Path, *, on_open: Callable[[sqlite3.Connection], None]) -> None:
        """Open or create the file. DatabaseError if that is not possible.

        `on_open` is called with the connection, inside a transaction, whenever a file has been opened.
        """
        self.path = path
        self._on_open = on_open
        self.corrupt_files = 0
        """Corrupt files set aside so far."""
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(f"the outbox {path} cannot be created ({error}): check outbox in agent.toml") from error
        self._database: sqlite3.Connection | None = self._open()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: everything written in the block is on disk afterwards, or nothing is.

        DatabaseError if it fails.
        """
        with self.connection() as database, database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time.

        DatabaseError if an SQLite call in the block fails; a corrupt file has then been replaced.
        """
        with self._lock:
            try:
                self._database = self._database or self._open()
                yield self._database
            except sqlite3.Error as error:
                if _is_corruption(error):
                    self._replace(error)
                raise DatabaseError(f"the outbox {self.path} cannot be used ({error}): check the disk") from error

    def truncate_log(self) -> bool:
        """Move everything into the main file and empty the write-ahead log, which still holds what was deleted.

        False if another program is reading the file. DatabaseError if it fails.
        """
        with self.connection() as database:
            is_busy, _, _ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.Error as error:
            if not _is_corruption(error):
                raise self._open_error(error) from error
            self._set_aside(error)
        try:
            return self._connect()
        except sqlite3.Error as error:
            raise self._open_error(error) from error

    def _open_error(self, error: Exception) -> DatabaseError:
        return DatabaseError(f"the outbox {self.path} cannot be opened ({error}): check outbox in agent.toml")

    def _connect(self) -> sqlite3.Connection:
        # absolute: SQLite may take a relative path for a URI if it begins with `file:`
        database = sqlite3.connect(self.path.absolute(), isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")  # a commit survives power loss
            database.execute("PRAGMA secure_delete = ON")  # overwrite what is deleted; so Debian's SQLite does anyway
            ((verdict,),) = database.execute("PRAGMA quick_check(1)").fetchall()
            if verdict != "ok":
                corruption = sqlite3.DatabaseError(verdict)
                corruption.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise corruption
            with database:
                database.execute("BEGIN IMMEDIATE")
                create_or_upgrade_schema(database, self.path)
                self._on_open(database)
        except BaseException:
            database.close()
            raise
        return database

    def _replace(self, error: sqlite3.Error) -> None:
        """Start a new file when the old one turns out to be corrupt while in use."""
        self.close()
        self._set_aside(error)
        self._database = self._open()

    def _set_aside(self, error: sqlite3.Error) -> None:
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        new_path = self.path.with_name(f"{self.path.name}.corrupt-{now}")
        try:
            for suffix in ("", "-wal"):
                with suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + suffix).rename(new_path.with_name(new_path.name + suffix))
            self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)
        except OSError as os_error:
            hint = "check the folder's permissions"
            raise DatabaseError(
                f"the corrupt outbox {self.path} cannot be set aside ({os_error}): {hint}"
            ) from os_error
        self.corrupt_files += 1
        log.error("the outbox was corrupt (%s): moved it to %s and started a new one", error, new_path)


def _is_corruption(error: sqlite3.Error) -> bool:
    return primary_code(error) in CORRUPT_CODES

"""The emotion log in one SQLite file."""

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from mien.errors import DatabaseError
from mien.files.atomic_file import atomic_write
from mien.files.sqlite_file import ImmutableConnection, open_read_only, primary_code
from mien.progress import ProgressReporter, no_progress

from .reader_pool import READER_POOL_OPTIONS

WRITER_BUSY_S = 5.0
"""How long a writer waits for another."""
READER_BUSY_S = 30.0
BACKUP_PAGES = 1000
"""Pages copied between two updates of the progress bar."""
PROGRESS_INSTRUCTIONS = 10_000
"""Instructions of SQLite's virtual machine between two checks of the time limit: a fraction of a millisecond."""
HINTS = {
    sqlite3.SQLITE_BUSY: "another program is using it; try again when that is done, or stop it",
    sqlite3.SQLITE_LOCKED: "another program is using it; try again when that is done, or stop it",
    sqlite3.SQLITE_FULL: "free some disk space",
    sqlite3.SQLITE_READONLY: "check the owner and the permissions of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "check the path, and the owner and the permissions of the file and its folder",
    sqlite3.SQLITE_PERM: "check the owner and the permissions of the file and its folder",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database; name the emotion log with --db",
    sqlite3.SQLITE_CORRUPT: "it is damaged; see `mien db check`, or restore a backup",
}
"""What to do about an error, by SQLite's primary result code (https://sqlite.org/rescode.html)."""


def create_writer(path: Path) -> Engine:
    """An engine whose commits are on disk before they return (WAL, synchronous FULL).

    Every transaction takes the write lock when it begins, so that what it has read is still true when it writes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path.absolute(), timeout=WRITER_BUSY_S, isolation_level=None, check_same_thread=False)

    # SQLAlchemy, and SQLite on Debian, take a relative path for a URI if it begins with `file:`.
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # Many builds of SQLite leave in the file what retention deletes, where no later erasure would find it.
        connection.execute("PRAGMA secure_delete = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def create_reader(path: Path, timeout_s: float | None) -> Engine:
    """An engine that cannot write, for reading while a collector writes; each transaction reads one snapshot.

    A transaction that exceeds `timeout_s` is interrupted by SQLite's progress handler.
    """

    def connect() -> sqlite3.Connection:
        return open_read_only(path, timeout_s=READER_BUSY_S, any_thread=True)

    engine = create_engine("sqlite://", creator=connect, **READER_POOL_OPTIONS)

    @event.listens_for(engine, "checkout")
    def reopen_if_changed(connection: sqlite3.Connection, _record: Any, _proxy: Any) -> None:
        if isinstance(connection, ImmutableConnection) and not connection.is_current():
            raise DisconnectionError  # the pool opens another one

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        if timeout_s is not None:
            end_s = time.monotonic() + timeout_s
            connection.connection.set_progress_handler(lambda: time.monotonic() > end_s, PROGRESS_INSTRUCTIONS)
        connection.exec_driver_sql("BEGIN")

    return engine


@contextmanager
def collector_lock(path: Path) -> Iterator[None]:
    """Reserve the file for one collector; the kernel releases the lock when the process dies. DatabaseError if locked.

    The lock is on a separate file: SQLite loses its own locks when any code in its process closes the database file.
    """
    lock_path = path.with_name(f"{path.name}-collector")
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock_file = stack.enter_context(lock_path.open("wb"))
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseError(
                f"another collector writes to {path}: stop it, or use PostgreSQL, which several collectors can share"
            ) from error
        except OSError as error:
            raise DatabaseError(
                f"{path} cannot be opened ({error}): check the database setting and the disk"
            ) from error
        yield


def back_up(path: Path, copy: Path, progress: ProgressReporter = no_progress) -> None:
    """Copy a snapshot of a log while others use it: all of it or, after a DatabaseError, none.

    DatabaseError if that fails or if `copy` already exists.
    """
    try:
        if copy.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(copy))
        with (
            atomic_write(copy) as part,
            closing(open_read_only(path)) as source,
            closing(sqlite3.connect(part.absolute())) as target,
        ):
            source.execute("BEGIN")  # one snapshot: without it, each commit by others would restart the copy
            (page_count,) = source.execute("PRAGMA page_count").fetchone()
            pages_left = page_count

            def report(_status: int, remaining: int, _total: int) -> None:
                nonlocal pages_left
                advance(pages_left - remaining)
                pages_left = remaining

            with progress("copying pages", page_count) as advance:
                source.backup(target, pages=BACKUP_PAGES, progress=report)
    except (sqlite3.Error, OSError) as error:
        raise DatabaseError(
            f"{path} cannot be copied to {copy} ({error}): name another file or free some disk space"
        ) from error


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another program holds a lock."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def find_hint(error: sqlite3.Error) -> str:
    """What to do about an error of SQLite."""
    return HINTS.get(primary_code(error), "check the database setting and the disk")


def truncate_write_ahead_log(engine: Engine) -> bool:
    """Write everything into the file and empty the write-ahead log, which still contains what was overwritten.

    False if that has to be tried again, because others are writing, or reading from it.
    """
    driver = engine.raw_connection()
    try:
        is_busy, _, _ = driver.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # type: ignore[func-returns-value]
    except sqlite3.OperationalError:  # locked
        return False
    finally:
        driver.close()
    return not is_busy


def timestamped_copy(path: Path, reason: str) -> Path:
    """The path of a copy beside the log, with the current UTC time in its name."""
    timestamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return path.with_name(f"{path.name}.{timestamp}-{reason}")

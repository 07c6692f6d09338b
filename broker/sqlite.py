"""The emotion log in one SQLite file."""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event

from mien.errors import DatabaseError

from .bar import Bar, unseen
from .readers import READERS

WRITER_BUSY_S = 5.0
"""How long a writer waits for another."""
READER_BUSY_S = 30.0
COPIED_PAGES = 1000
"""At once, after which the bar moves."""
STEPS = 10_000
"""Of SQLite's virtual machine between two looks at the clock: a fraction of a millisecond."""


def writer(path: Path) -> Engine:
    """An engine whose commits are on the disk before they return (WAL, synchronous FULL).

    Every transaction takes the write lock at its begin, so that what it has read still holds when it writes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": WRITER_BUSY_S})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reader(path: Path, limit_s: float | None) -> Engine:
    """An engine that cannot write, for reading while a collector writes; each connection sees one state of the log.

    SQLite looks at the clock every so many steps of its machine, and stops where a transaction outlasts its limit.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=READER_BUSY_S, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, **READERS)

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        if limit_s is not None:
            end_s = time.monotonic() + limit_s
            connection.connection.set_progress_handler(lambda: time.monotonic() > end_s, STEPS)
        connection.exec_driver_sql("BEGIN")

    return engine


@contextmanager
def only_collector(path: Path) -> Iterator[None]:
    """Hold the file for one collector; the kernel lets go of it when the process dies. DatabaseError if it is held.

    The lock is on a file of its own: SQLite loses its own locks when anybody in its process closes the database file.
    """
    beside = path.with_name(f"{path.name}-collector")
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(beside.open("wb"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseError(
                f"another collector writes to {path}: stop it, or store in PostgreSQL, which several can share"
            ) from error
        except OSError as error:
            raise DatabaseError(f"{path} cannot be opened ({error}): check database and the disk") from error
        yield


def back_up(path: Path, copy: Path, bar: Bar = unseen) -> None:
    """Copy a log as it stands, while others use it. DatabaseError if that fails or the copy is there already."""
    try:
        copy.touch(exist_ok=False)
        with (
            closing(sqlite3.connect(path, isolation_level=None)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.execute("BEGIN")  # one state of the log: else each commit meanwhile would begin the copy anew
            (pages,) = source.execute("PRAGMA page_count").fetchone()
            left = pages

            def told(_status: int, remaining: int, _total: int) -> None:
                nonlocal left
                advance(left - remaining)
                left = remaining

            with bar("copying pages", pages) as advance:
                source.backup(target, pages=COPIED_PAGES, progress=told)
    except (sqlite3.Error, OSError) as error:
        raise DatabaseError(f"{path} cannot be copied to {copy} ({error}): name another file or make room") from error


def copy_before(path: Path, reason: str) -> Path:
    """Where a copy with today's date goes, beside the log."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return path.with_name(f"{path.name}.{moment}-{reason}")

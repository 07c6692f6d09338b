"""Opens the emotion log: made and migrated for the collector, read-only for everybody else."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from mien.errors import DatabaseError

from .schema import EMOTION_LOG, metadata

VERSION = 1
"""Of the tables, in SQLite's user_version."""
WRITER_BUSY_S = 5.0
"""The collector says `busy` after this long, and devices wait."""
READER_BUSY_S = 30.0


def open_for_writing(path: Path) -> Engine:
    """The log at `path`, made if there is none. DatabaseError if it cannot be opened or is of a newer release.

    Every commit is on the disk before it returns (WAL, synchronous FULL), and every transaction takes the write lock
    at its begin, so that what it has read still holds when it writes.
    """
    if ":" in str(path).split("/")[0]:
        raise DatabaseError(f"{path} is not the path of a file: this release stores in SQLite files only")
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

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with engine.begin() as connection:
            found = connection.execute(text("PRAGMA user_version")).scalar_one()
            if found > VERSION:
                raise DatabaseError(f"{path} was made by a newer mien: upgrade this collector")
            if found == 0 and connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one():
                raise DatabaseError(f"{path} is some other program's database: name another file")
            metadata.create_all(connection)
            connection.exec_driver_sql(EMOTION_LOG)
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
    except (DBAPIError, OSError) as error:
        raise DatabaseError(f"{path} cannot be opened ({_first_line(error)}): check database and the disk") from error
    return engine


def open_for_reading(path: Path) -> Engine:
    """The log at `path`, for reading while a collector writes. DatabaseError if there is none."""
    if not path.is_file():
        raise DatabaseError(f"{path} does not exist: name the collector's database with --db")
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=READER_BUSY_S), poolclass=NullPool
    )
    with reading(engine, path) as connection:
        found = connection.execute(text("PRAGMA user_version")).scalar_one()
    if found != VERSION:
        raise DatabaseError(f"{path} is not an emotion log of this release (version {found}, not {VERSION})")
    return engine


@contextmanager
def reading(engine: Engine, name: object = "the emotion log") -> Iterator[Connection]:
    """A connection to read on. DatabaseError if the file cannot be read."""
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        cure = "is it the emotion log, and may you write in its folder (SQLite's write-ahead log needs it)?"
        raise DatabaseError(f"{name} cannot be read ({_first_line(error)}): {cure}") from error


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).splitlines()[0]

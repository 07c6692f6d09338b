"""Opens the emotion log, a SQLite file or a PostgreSQL database: for the collector to write, for all others to read."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mien.errors import DatabaseError, QueryTimeout, TooManyQueries
from mien.progress import ProgressReporter, no_progress

from . import postgresql, schema, sqlite
from .location import DatabaseLocation
from .migrate import current_revision, upgrade
from .reader_pool import MAX_READERS

QUERY_TIMEOUT_MESSAGE = (
    "the query exceeded its time limit and was stopped: ask for a shorter period or fewer devices, "
    "or count by hour or day, which reads precomputed counts"
)


def open_for_writing(name: str | Path, *, create: bool = True) -> Engine:
    """The log at a path or URL; it is created if it does not exist, unless `create` is false.

    DatabaseError if it cannot be opened, belongs to another program, or is not of this release.
    """
    location = DatabaseLocation.parse(name)
    if not create:
        _check_file_exists(location)
    with _database_errors(location):
        engine = location.create_writer()
        with engine.begin() as connection:
            revision = current_revision(connection, str(location))
            if revision is None:
                upgrade(connection, str(location))
            elif revision != schema.REVISION:
                raise DatabaseError(
                    f"{location} was written by an older release: stop the collector and run {_migrate_hint(location)}"
                )
    return engine


def migrate(name: str | Path, progress: ProgressReporter = no_progress) -> tuple[str | None, Path | None]:
    """Migrate a log to this release's schema, after copying its file; its former revision, and the path of the copy.

    DatabaseError as for `open_for_writing`, or if a collector is using the file.
    """
    location, copy = DatabaseLocation.parse(name), None
    _check_file_exists(location)
    with _database_errors(location), location.collector_lock():
        engine = location.create_writer()
        try:
            with engine.connect() as connection:
                revision = current_revision(connection, str(location))
            if location.path and revision not in (None, schema.REVISION):
                copy = sqlite.timestamped_copy(location.path, f"before-{schema.REVISION}")
                sqlite.back_up(location.path, copy, progress)
            with engine.begin() as connection:
                upgrade(connection, str(location), progress)
        except BaseException:
            if copy:
                copy.unlink()  # the log is unchanged
            raise
        finally:
            engine.dispose()
    return revision, copy


def open_for_reading(name: str | Path, *, timeout_s: float | None = None) -> Engine:
    """The log at a path or URL, for reading while a collector writes; up to four readers at once.

    A query that exceeds `timeout_s` is stopped. DatabaseError if the log does not exist or is not of this release.
    """
    location = DatabaseLocation.parse(name)
    _check_file_exists(location)
    engine = location.create_reader(timeout_s)
    with read_transaction(engine, location) as connection:
        has_version = inspect(connection).has_table("alembic_version")
        query = text("SELECT version_num FROM alembic_version")
        revision = connection.execute(query).scalar() if has_version else None
    if revision != schema.REVISION:
        raise DatabaseError(
            f"{location} is not an emotion log of this release: if it is of an older one, run {_migrate_hint(location)}"
        )
    return engine


@contextmanager
def read_transaction(engine: Engine, name: object = "the emotion log") -> Iterator[Connection]:
    """A connection for reading.

    DatabaseError if the log cannot be read, QueryTimeout if that exceeds the time limit, TooManyQueries if no
    connection became free.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except PoolTimeout as error:
        raise TooManyQueries(f"{MAX_READERS} queries are already running: try again in a moment") from error
    except DBAPIError as error:
        if is_query_timeout(error):
            raise QueryTimeout(QUERY_TIMEOUT_MESSAGE) from error
        if isinstance(error.orig, sqlite3.Error):
            is_busy = sqlite.is_busy(error.orig)
            hint = sqlite.find_hint(error.orig) if is_busy else "is it an emotion log, and may you read it?"
        else:
            hint = "is it an emotion log, is PostgreSQL running there, and may you read it?"
        raise DatabaseError(f"{name} cannot be read ({first_line(error)}): {hint}") from error


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is committed at the end. DatabaseError if the log cannot be written."""
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise DatabaseError(f"the emotion log cannot be written ({first_line(error)}): {find_hint(error)}") from error


def is_query_timeout(error: Exception) -> bool:
    """Whether the database stopped a query at its time limit."""
    original = getattr(error, "orig", error)
    if isinstance(original, sqlite3.OperationalError):
        return original.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    return getattr(original, "sqlstate", None) == postgresql.QUERY_CANCELED


def first_line(error: Exception) -> str:
    """The first line of the database's own error message, without what SQLAlchemy adds."""
    return str(getattr(error, "orig", error)).strip().splitlines()[0]


def find_hint(error: Exception) -> str:
    """What to do about an error of the driver or the file system."""
    original = getattr(error, "orig", error)
    if isinstance(original, sqlite3.Error):
        return sqlite.find_hint(original)
    return postgresql.HINTS.get(getattr(original, "sqlstate", None) or "", "check the database setting and the disk")


@contextmanager
def _database_errors(location: DatabaseLocation) -> Iterator[None]:
    """Turn errors of the driver and the file system into DatabaseError."""
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise DatabaseError(f"{location} cannot be opened ({first_line(error)}): {find_hint(error)}") from error


def _check_file_exists(location: DatabaseLocation) -> None:
    if location.path and location.path.is_dir():
        raise DatabaseError(f"{location} is a folder: name the collector's database in it with --db")
    if location.path and not location.path.is_file():
        raise DatabaseError(f"{location} does not exist: name the collector's database with --db")


def _migrate_hint(location: DatabaseLocation) -> str:
    return f"`mien db migrate --db {location}`"

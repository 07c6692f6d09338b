"""Opens the emotion log, a SQLite file or a PostgreSQL URL: made for the collector, read-only for everybody else."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from mien.errors import ConfigurationError, DatabaseError, LogBusy, QueryStopped

from . import migrating, postgresql, sqlite
from .bar import Bar, unseen
from .readers import AT_ONCE
from .schema import REVISION

STOPPED = (
    "the question took longer than it may and was stopped: ask for less time or fewer devices, "
    "or count by hour or day, which is kept ready"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log is: a file or a URL."""

    path: Path | None
    url: URL | None

    @classmethod
    def of(cls, name: str | Path) -> "Place":
        """From `mien.db` or `postgresql://host/database`. ConfigurationError if it is neither."""
        if "://" not in str(name):
            return cls(Path(name), None)
        try:
            url = make_url(str(name))
        except (ArgumentError, ValueError) as error:
            raise ConfigurationError("this is no URL: name a file, or postgresql://HOST/DATABASE") from error
        if url.get_backend_name() != "postgresql":
            raise ConfigurationError(
                f"mien cannot store in {url.get_backend_name()}: name a file or a postgresql:// URL"
            )
        return cls(None, url)

    def __str__(self) -> str:
        return str(self.path) if self.path else str(self.url)

    def writer(self) -> Engine:
        """An engine that writes."""
        return sqlite.writer(self.path) if self.path else postgresql.writer(self._url())

    def reader(self, limit_s: float | None) -> Engine:
        """An engine that cannot write."""
        return sqlite.reader(self.path, limit_s) if self.path else postgresql.reader(self._url(), limit_s)

    def only_collector(self) -> AbstractContextManager[None]:
        """Hold a file for one collector; PostgreSQL takes several."""
        return sqlite.only_collector(self.path) if self.path else nullcontext()

    def _url(self) -> URL:
        assert self.url is not None
        return self.url


def open_for_writing(name: str | Path, *, make: bool = True) -> Engine:
    """The log at a path or URL; unless it has to be there, it is made if there is none.

    DatabaseError if it cannot be opened, is another program's, or not of this release.
    """
    place = Place.of(name)
    if not make:
        _check_there(place)
    with _named(place):
        engine = place.writer()
        with engine.begin() as connection:
            found = migrating.found(connection, str(place))
            if found is None:
                migrating.migrate(connection, str(place))
            elif found != REVISION:
                raise DatabaseError(f"{place} is of an older release: stop the collector and run {_cure(place)}")
    return engine


def migrate(name: str | Path, bar: Bar = unseen) -> tuple[str | None, Path | None]:
    """Bring a log to this release's form, a file's copy first; the step it stood at, and the copy.

    DatabaseError as for `open_for_writing`, or if a collector is using the file.
    """
    place, copy = Place.of(name), None
    _check_there(place)
    with _named(place), place.only_collector():
        engine = place.writer()
        try:
            with engine.connect() as connection:
                found = migrating.found(connection, str(place))
            if place.path and found not in (None, REVISION):
                copy = sqlite.copy_before(place.path, f"before-{REVISION}")
                sqlite.back_up(place.path, copy, bar)
            with engine.begin() as connection:
                migrating.migrate(connection, str(place), bar)
        except BaseException:
            if copy:
                copy.unlink()  # the log is as it was
            raise
        finally:
            engine.dispose()
    return found, copy


def open_for_reading(name: str | Path, *, limit_s: float | None = None) -> Engine:
    """The log at a path or URL, for reading while a collector writes; four may read at once.

    What takes longer than `limit_s` is stopped. DatabaseError if there is no log, or not of this release.
    """
    place = Place.of(name)
    _check_there(place)
    engine = place.reader(limit_s)
    with reading(engine, place) as connection:
        there = inspect(connection).has_table("alembic_version")
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if there else None
    if revision != REVISION:
        raise DatabaseError(f"{place} is no emotion log of this release: if it is of an older one, run {_cure(place)}")
    return engine


@contextmanager
def reading(engine: Engine, name: object = "the emotion log") -> Iterator[Connection]:
    """A connection to read on.

    DatabaseError if the log cannot be read, QueryStopped if that takes longer than it may, LogBusy if no turn came.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except NoConnection as error:
        raise LogBusy(f"{AT_ONCE} questions are being answered already: ask again in a moment") from error
    except DBAPIError as error:
        if stopped(error):
            raise QueryStopped(STOPPED) from error
        if isinstance(error.orig, sqlite3.Error):
            cure = "is it the emotion log, and may you read it (SQLite's write-ahead log asks to write in its folder)?"
        else:
            cure = "is it the emotion log, does PostgreSQL run there, and may you read it?"
        raise DatabaseError(f"{name} cannot be read ({first_line(error)}): {cure}") from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is committed at the end. DatabaseError if the log cannot be written."""
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise DatabaseError(f"the emotion log cannot be written: {first_line(error)}") from error


def stopped(error: Exception) -> bool:
    """Whether the database stopped at the time limit."""
    original = getattr(error, "orig", error)
    if isinstance(original, sqlite3.OperationalError):
        return original.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    return getattr(original, "sqlstate", None) == postgresql.QUERY_CANCELED


def first_line(error: Exception) -> str:
    """What the database said, without SQLAlchemy's pages around it."""
    return str(getattr(error, "orig", error)).strip().splitlines()[0]


@contextmanager
def _named(place: Place) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, OSError) as error:
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        cure = postgresql.CURES.get(state or "", "check database and the disk")
        raise DatabaseError(f"{place} cannot be opened ({first_line(error)}): {cure}") from error


def _check_there(place: Place) -> None:
    if place.path and place.path.is_dir():
        raise DatabaseError(f"{place} is a folder: name the collector's database in it with --db")
    if place.path and not place.path.is_file():
        raise DatabaseError(f"{place} does not exist: name the collector's database with --db")


def _cure(place: Place) -> str:
    return f"`mien db migrate --db {place}`"

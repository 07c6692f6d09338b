"""Where an emotion log is: a SQLite file, or a PostgreSQL URL."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError

from mien.errors import ConfigurationError

from . import postgresql, sqlite


@dataclass(frozen=True, slots=True)
class DatabaseLocation:
    """The path of a file, or a URL; exactly one of them is set."""

    path: Path | None
    url: URL | None

    @classmethod
    def parse(cls, name: str | Path) -> "DatabaseLocation":
        """From `mien.db` or `postgresql://host/database`. ConfigurationError if it is neither."""
        if "://" not in str(name):
            return cls(Path(name), None)
        try:
            url = make_url(str(name))
        except (ArgumentError, ValueError) as error:
            raise ConfigurationError(
                "the database is not a valid URL: name a file, or postgresql://HOST/DATABASE"
            ) from error
        if url.get_backend_name() != "postgresql":
            raise ConfigurationError(
                f"mien does not support {url.get_backend_name()}: name a file or a postgresql:// URL"
            )
        return cls(None, url)

    def __str__(self) -> str:
        return str(self.path) if self.path else str(self.url)

    def create_writer(self) -> Engine:
        """An engine that writes."""
        return sqlite.create_writer(self.path) if self.path else postgresql.create_writer(self._required_url())

    def create_reader(self, timeout_s: float | None) -> Engine:
        """An engine that cannot write."""
        if self.path:
            return sqlite.create_reader(self.path, timeout_s)
        return postgresql.create_reader(self._required_url(), timeout_s)

    def collector_lock(self) -> AbstractContextManager[None]:
        """Reserve a file for one collector; PostgreSQL supports several at once."""
        return sqlite.collector_lock(self.path) if self.path else nullcontext()

    def _required_url(self) -> URL:
        assert self.url is not None
        return self.url

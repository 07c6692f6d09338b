"""The SQLite file of an outbox: made, brought up to date, and set aside if it is damaged."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from mien.errors import DatabaseError

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
STEPS = (
    """
    CREATE TABLE IF NOT EXISTS counter (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        outbox TEXT NOT NULL,     -- names this file in every row
        machine TEXT NOT NULL,    -- where it was made: a copied card must not count on under the same name
        next_seq INTEGER NOT NULL -- stored, so that no number is ever used twice
    ) STRICT;
    CREATE TABLE IF NOT EXISTS observation (
        seq INTEGER PRIMARY KEY,
        payload BLOB NOT NULL,
        refused TEXT              -- why the collector can never store it; such a row is not sent again
    ) STRICT;
    CREATE INDEX IF NOT EXISTS unanswered ON observation (seq) WHERE refused IS NULL;
    """,
    """
    ALTER TABLE counter ADD COLUMN first_seq INTEGER NOT NULL DEFAULT 1;  -- where this outbox's name began to count
    ALTER TABLE counter ADD COLUMN held_rows INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE counter ADD COLUMN held_bytes INTEGER NOT NULL DEFAULT 0;
    UPDATE counter SET (held_rows, held_bytes) = (SELECT count(*), ifnull(sum(length(payload)), 0) FROM observation);
    ALTER TABLE observation ADD COLUMN final INTEGER NOT NULL DEFAULT 1;  -- 0: not published yet, so it may change
    ALTER TABLE observation ADD COLUMN boot TEXT;                         -- when it was made, by the running clock
    ALTER TABLE observation ADD COLUMN running_ms INTEGER;
    ALTER TABLE observation ADD COLUMN lost_first INTEGER;                -- of a declared loss, which rows
    ALTER TABLE observation ADD COLUMN lost_last INTEGER;
    CREATE INDEX changeable ON observation (seq) WHERE final = 0;
    """,
    """
    ALTER TABLE counter ADD COLUMN continues TEXT;  -- the outbox of another machine that this file was
    """,
)

log = logging.getLogger(__name__)


class OutboxFile:
    """One connection to the file, safe for several threads."""

    def __init__(self, path: Path, *, begin: Callable[[sqlite3.Connection], None]) -> None:
        """Open or make the file. DatabaseError if that is not possible.

        `begin` is called with the connection, inside a transaction, whenever a file has been opened.
        """
        self.path = path
        self._begin = begin
        self.set_aside = 0
        """Damaged files so far."""
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(f"the outbox {path} cannot be made ({error}): check outbox in agent.toml") from error
        self._database: sqlite3.Connection | None = self._open()

    def close(self) -> None:
        """Let go of the file; whoever uses it again opens it again."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is written inside is on the disk afterwards, or not at all. DatabaseError if it cannot be done."""
        with self.reading() as database, database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time. DatabaseError if it fails; a damaged file is replaced first."""
        with self._lock:
            try:
                self._database = self._database or self._open()
                yield self._database
            except sqlite3.Error as error:
                if _is_damage(error):
                    self._replace(error)
                raise DatabaseError(f"the outbox {self.path} cannot be used ({error}): check the disk") from error

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise self._refusal(error) from error
            self._put_aside(error)
        try:
            return self._connected()
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> DatabaseError:
        return DatabaseError(f"the outbox {self.path} cannot be opened ({error}): check outbox in agent.toml")

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")  # a commit survives power loss
            ((verdict,),) = database.execute("PRAGMA quick_check(1)").fetchall()
            if verdict != "ok":
                damage = sqlite3.DatabaseError(verdict)
                damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise damage
            (step,) = database.execute("PRAGMA user_version").fetchone()
            for number, statements in list(enumerate(STEPS, 1))[step:]:
                database.executescript(f"BEGIN IMMEDIATE; {statements} PRAGMA user_version = {number}; COMMIT;")
            with database:
                database.execute("BEGIN IMMEDIATE")
                self._begin(database)
        except BaseException:
            database.close()
            raise
        return database

    def _replace(self, error: sqlite3.Error) -> None:
        """Begin a new file where the old one turned out to be damaged while in use."""
        self.close()
        self._put_aside(error)
        self._database = self._open()

    def _put_aside(self, error: sqlite3.Error) -> None:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        kept = self.path.with_name(f"{self.path.name}.damaged-{moment}")
        try:
            for ending in ("", "-wal"):
                with suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + ending).rename(kept.with_name(kept.name + ending))
            self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)
        except OSError as refused:
            raise DatabaseError(f"the damaged outbox {self.path} cannot be set aside ({refused})") from refused
        self.set_aside += 1
        log.error("the outbox was damaged (%s): it is kept as %s, and a new one begins", error, kept)


def _is_damage(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in DAMAGED  # the low byte is the primary code

"""Keeps observations on disk until a collector has stored them: the device's half of the delivery promise."""

import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import msgspec

from mien.errors import DatabaseError
from mien.observation import Observation, decode_observation, encode

MACHINE_ID = Path("/etc/machine-id")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS counter (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    outbox TEXT NOT NULL,     -- names this file in every observation
    machine TEXT NOT NULL,    -- where it was made: a copied card must not count on under the same name
    next_seq INTEGER NOT NULL -- stored, so that no number is ever used twice
) STRICT;
CREATE TABLE IF NOT EXISTS observation (
    seq INTEGER PRIMARY KEY,
    payload BLOB NOT NULL,
    refused TEXT              -- why the collector can never store it; such a row is not sent again
) STRICT;
CREATE INDEX IF NOT EXISTS unanswered ON observation (seq) WHERE refused IS NULL;
"""


class Outbox:
    """Observations in the order of their `seq`, in one SQLite file; safe for several threads. Closes as a context
    manager. Every method that writes returns after the disk has it; each raises DatabaseError if it cannot be done."""

    def __init__(self, path: Path, *, machine_id: Path = MACHINE_ID) -> None:
        """Open or make the file. DatabaseError if that is not possible."""
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
            self.id = self._adopt(machine_id.read_text(encoding="ascii").strip() if machine_id.exists() else "")
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(f"the outbox {path} cannot be opened ({error}): check outbox in agent.toml") from error

    def _adopt(self, machine: str) -> UUID:
        """The outbox's name; a new one, for the waiting observations too, if the file was made on another machine."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            row = self._database.execute("SELECT outbox, machine FROM counter").fetchone()
            if row is not None and row[1] == machine:
                return UUID(row[0])
            name = uuid.uuid4()
            if row is None:
                self._database.execute("INSERT INTO counter VALUES (1, ?, ?, 1)", (str(name), machine))
            else:
                self._database.execute("UPDATE counter SET outbox = ?, machine = ?", (str(name), machine))
                waiting = "SELECT seq, payload FROM observation WHERE refused IS NULL"
                for seq, payload in self._database.execute(waiting).fetchall():
                    with suppress(msgspec.DecodeError):  # the uplink refuses a damaged row, and says so
                        renamed = encode(msgspec.structs.replace(decode_observation(payload), outbox=name))
                        self._database.execute("UPDATE observation SET payload = ? WHERE seq = ?", (renamed, seq))
            return name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()

    def append(self, build: Callable[[UUID, int], Observation]) -> Observation:
        """Give `build` this outbox's name and the next `seq`, and keep what it makes."""
        with self._transaction() as database:
            (seq,) = database.execute("SELECT next_seq FROM counter").fetchone()
            observation = build(self.id, seq)
            database.execute("UPDATE counter SET next_seq = ?", (seq + 1,))
            database.execute("INSERT INTO observation (seq, payload) VALUES (?, ?)", (seq, encode(observation)))
        return observation

    def unanswered(self, limit: int) -> list[tuple[int, bytes]]:
        """The oldest rows, `seq` and payload, that no collector has answered yet; at most `limit`."""
        with self._reading() as database:
            return database.execute(
                "SELECT seq, payload FROM observation WHERE refused IS NULL ORDER BY seq LIMIT ?", (limit,)
            ).fetchall()

    def stored(self, sequences: Iterable[int]) -> None:
        """Delete rows that a collector has stored."""
        with self._transaction() as database:
            database.executemany("DELETE FROM observation WHERE seq = ?", [(seq,) for seq in sequences])

    def refused(self, reasons: Iterable[tuple[int, str]]) -> None:
        """Keep rows that a collector can never store, with the reason, and send them no more."""
        with self._transaction() as database:
            database.executemany(
                "UPDATE observation SET refused = ? WHERE seq = ?", [(reason, seq) for seq, reason in reasons]
            )

    def depth(self) -> int:
        """How many rows wait for an answer."""
        with self._reading() as database:
            (count,) = database.execute("SELECT count(*) FROM observation WHERE refused IS NULL").fetchone()
        return int(count)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as database, database:
            database.execute("BEGIN IMMEDIATE")
            yield database

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._database
        except sqlite3.Error as error:
            raise DatabaseError(f"the outbox {self._path} cannot be used ({error}): check the disk") from error

"""Keeps observations on disk until a collector has stored them: the device's half of the delivery promise."""

import math
import sqlite3
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import msgspec
from uuid6 import uuid7

from mien.dropped import Dropped
from mien.dropped import encode as encode_dropped
from mien.errors import DatabaseError
from mien.health import OutboxHealth
from mien.observation import Observation, encode
from mien.wire import Decoder

from .clock import Clock, Moment
from .outbox_file import OutboxFile

MACHINE_ID = Path("/etc/machine-id")
DROPPED_SHARE = 0.01
"""Of the cap, at least, that a full outbox makes room for at once: one declared loss then stands for many rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """How much an outbox may hold."""

    rows: int = 500_000
    """Six days of one face a second."""
    payload_bytes: int = 400_000_000


class Outbox:
    """Observations in the order of their `seq`, in one SQLite file; safe for several threads.

    Closes as a context manager. Every method that writes returns after the disk has it; each raises DatabaseError if it
    cannot be done. A damaged file is kept under another name and a new one begins, under a new `id`.
    """

    def __init__(self, path: Path, *, device: str, cap: Cap | None = None, machine_id: Path = MACHINE_ID) -> None:
        """Open or make the file. DatabaseError if that is not possible."""
        self.id: UUID
        """Names this file in every row."""
        self._device = device
        self._cap = cap or Cap()
        self._machine = machine_id.read_text(encoding="ascii").strip() if machine_id.exists() else ""
        self._dropped = self._not_kept = 0
        self._file = OutboxFile(path, begin=self._begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, build: Callable[[UUID, int], Observation], moment: Moment) -> Observation:
        """Give `build` this outbox's name and the next `seq`, and keep what it makes, which it made at `moment`.

        An outbox that is full deletes its oldest rows and declares them lost, in the same transaction.
        """
        files = self._file.set_aside
        try:
            try:
                return self._append(build, moment)
            except DatabaseError:
                if self._file.set_aside == files:
                    raise
            return self._append(build, moment)  # the file was damaged, and there is a new one
        except DatabaseError:
            self._not_kept += 1
            raise

    def release(self, clock: Clock, *, waited: bool) -> None:
        """Make rows ready to be published; from then on they never change.

        What was made before the clock was set gets its right time, if it was made since the machine's last start. If
        the clock is not set yet, such rows stay back, until `waited` says that this has lasted long enough.
        """
        changeable = "SELECT seq, payload, boot, running_ms, lost_last FROM observation WHERE final = 0 ORDER BY seq"
        with self._file.reading() as database:
            if database.execute(f"{changeable} LIMIT 1").fetchone() is None:
                return
        with self._file.transaction() as database:
            for seq, payload, boot, running_ms, lost in database.execute(changeable).fetchall():
                at = None if lost else clock.corrected(boot, running_ms)
                if at is None and not lost and not waited and clock.age_s(boot, running_ms) is not None:
                    continue
                corrected = payload
                if at is not None:
                    with suppress(msgspec.DecodeError):  # the uplink refuses a damaged row, and says so
                        corrected = _changed(payload, at=at, clock="synced")
                database.execute("UPDATE observation SET payload = ?, final = 1 WHERE seq = ?", (corrected, seq))
                _count(database, 0, len(corrected) - len(payload))

    def ready(self, limit: int) -> list[tuple[int, bytes]]:
        """The oldest rows, `seq` and payload, that no collector has answered yet; at most `limit`."""
        with self._file.reading() as database:
            return database.execute(
                "SELECT seq, payload FROM observation WHERE refused IS NULL AND final = 1 ORDER BY seq LIMIT ?",
                (limit,),
            ).fetchall()

    def stored(self, sequences: Iterable[int]) -> None:
        """Delete rows that a collector has stored."""
        with self._file.transaction() as database:
            _delete(database, sequences)

    def refused(self, reasons: Iterable[tuple[int, str]]) -> None:
        """Keep rows that a collector can never store, with the reason, and send them no more."""
        with self._file.transaction() as database:
            database.executemany(
                "UPDATE observation SET refused = ?, final = 1 WHERE seq = ?",
                [(reason, seq) for seq, reason in reasons],
            )

    def depth(self) -> int:
        """How many rows wait for an answer."""
        with self._file.reading() as database:
            return _waiting(database)

    def health(self, clock: Clock) -> OutboxHealth:
        """What waits, what was lost, and which numbers a collector should have."""
        with self._file.reading() as database:
            counter = database.execute("SELECT first_seq, next_seq, held_rows, continues FROM counter")
            first_seq, next_seq, held_rows, continues = counter.fetchone()
            oldest = database.execute(
                "SELECT boot, running_ms FROM observation WHERE refused IS NULL ORDER BY seq LIMIT 1"
            ).fetchone()
            # What a declared loss stands for has no answer before the declaration has one.
            (oldest_seq,) = database.execute(
                "SELECT min(min(seq, coalesce(lost_first, seq))) FROM observation WHERE refused IS NULL"
            ).fetchone()
            return OutboxHealth(
                id=self.id,
                first_seq=first_seq,
                oldest_seq=max(first_seq, oldest_seq or next_seq),
                next_seq=next_seq,
                waiting=_waiting(database),
                oldest_age_s=clock.age_s(*oldest) if oldest and oldest[0] is not None else None,
                refused=held_rows - _waiting(database),
                dropped=self._dropped,
                not_kept=self._not_kept,
                set_aside=self._file.set_aside,
                continues=UUID(continues) if continues else None,
            )

    def _begin(self, database: sqlite3.Connection) -> None:
        """Take on a file that has been opened."""
        self.id = self._adopt(database)

    def _adopt(self, database: sqlite3.Connection) -> UUID:
        """The outbox's name; a new one, for the waiting rows too, if the file was made on another machine."""
        row = database.execute("SELECT outbox, machine FROM counter").fetchone()
        if row is not None and row[1] == self._machine:
            return UUID(row[0])
        name = uuid.uuid4()
        if row is None:
            database.execute(
                "INSERT INTO counter (one, outbox, machine, next_seq) VALUES (1, ?, ?, 1)", (str(name), self._machine)
            )
            return name
        waiting = database.execute("SELECT seq, payload FROM observation WHERE refused IS NULL ORDER BY seq").fetchall()
        database.execute("UPDATE counter SET continues = outbox, outbox = ?, machine = ?", (str(name), self._machine))
        database.execute("UPDATE counter SET first_seq = ifnull(?, next_seq)", (waiting[0][0] if waiting else None,))
        for seq, payload in waiting:
            with suppress(msgspec.DecodeError):  # the uplink refuses a damaged row, and says so
                renamed = _changed(payload, outbox=str(name))
                database.execute("UPDATE observation SET payload = ? WHERE seq = ?", (renamed, seq))
        return name

    def _append(self, build: Callable[[UUID, int], Observation], moment: Moment) -> Observation:
        dropped = 0
        with self._file.transaction() as database:
            seq = _next_seq(database)
            observation = build(self.id, seq)
            _insert(database, seq, encode(observation), moment, final=observation.clock == "synced")
            rows, payload_bytes = database.execute("SELECT held_rows, held_bytes FROM counter").fetchone()
            if rows > self._cap.rows or payload_bytes > self._cap.payload_bytes:
                dropped = self._make_room(database, seq, rows, payload_bytes, moment)
        self._dropped += dropped
        return observation

    def _make_room(
        self, database: sqlite3.Connection, newest: int, rows: int, payload_bytes: int, moment: Moment
    ) -> int:
        """Delete the oldest rows and say so, in a row of its own or in one that is not published yet; how many.

        The `newest` row stays.
        """
        most_rows = self._cap.rows - max(1, math.floor(DROPPED_SHARE * self._cap.rows))
        most_bytes = round(self._cap.payload_bytes * (1 - DROPPED_SHARE))
        victims: list[int] = []
        oldest = database.execute(
            "SELECT seq, length(payload) FROM observation WHERE lost_last IS NULL AND seq < ? ORDER BY seq", (newest,)
        )
        for seq, length in oldest:
            victims.append(seq)
            rows, payload_bytes = rows - 1, payload_bytes - length
            if rows <= most_rows and payload_bytes <= most_bytes:
                break
        if not victims:
            return 0
        _delete(database, victims)
        declared = database.execute(
            "SELECT seq, lost_first, lost_last FROM observation WHERE final = 0 AND lost_last IS NOT NULL"
        ).fetchone()
        if declared:
            seq, first, last = declared
            first, last = min(first, victims[0]), max(last, victims[-1])
            _delete(database, [seq])
        else:
            seq, first, last = _next_seq(database), victims[0], victims[-1]
        loss = Dropped(
            id=uuid7(),
            device=self._device,
            outbox=self.id,
            seq=seq,
            first=first,
            last=last,
            cause="full",
            at=moment.at,
        )
        _insert(database, seq, encode_dropped(loss), moment, final=False, lost=(first, last))
        return len(victims)


def _insert(
    database: sqlite3.Connection,
    seq: int,
    payload: bytes,
    moment: Moment,
    *,
    final: bool,
    lost: tuple[int, int] | None = None,
) -> None:
    database.execute(
        "INSERT INTO observation (seq, payload, final, boot, running_ms, lost_first, lost_last) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (seq, payload, int(final), moment.boot, moment.running_ms, *(lost or (None, None))),
    )
    _count(database, 1, len(payload))


def _delete(database: sqlite3.Connection, sequences: Iterable[int]) -> None:
    rows = payload_bytes = 0
    for seq in sequences:
        gone = database.execute("DELETE FROM observation WHERE seq = ? RETURNING length(payload)", (seq,)).fetchone()
        if gone:
            rows, payload_bytes = rows + 1, payload_bytes + gone[0]
    _count(database, -rows, -payload_bytes)


def _count(database: sqlite3.Connection, rows: int, payload_bytes: int) -> None:
    """Keep count in the same transaction: to count anew at each observation would read the whole file."""
    database.execute("UPDATE counter SET held_rows = held_rows + ?, held_bytes = held_bytes + ?", (rows, payload_bytes))


def _next_seq(database: sqlite3.Connection) -> int:
    (seq,) = database.execute("UPDATE counter SET next_seq = next_seq + 1 RETURNING next_seq - 1").fetchone()
    return int(seq)


def _waiting(database: sqlite3.Connection) -> int:
    (count,) = database.execute("SELECT count(*) FROM observation WHERE refused IS NULL").fetchone()
    return int(count)


_row_decoder = Decoder(dict[str, Any])


def _changed(payload: bytes, **fields: str | datetime) -> bytes:
    """The same row with other fields, those that this release does not know kept. msgspec.DecodeError if it is none."""
    return msgspec.json.encode(_row_decoder.decode(payload) | fields)

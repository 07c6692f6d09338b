"""Stores observations on disk until a collector has acknowledged them: the device's half of the delivery promise."""

import math
import sqlite3
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import msgspec

from mien.errors import DatabaseError
from mien.messages.health import OutboxHealth
from mien.messages.observation import Observation, encode_observation

from .clock import Clock, Timestamp
from .draft import ObservationDraft
from .losses import declare_loss, drop_oldest_observations
from .outbox_file import OutboxFile
from .outbox_identity import identify_outbox
from .outbox_rows import (
    add_to_totals,
    count_waiting_rows,
    delete_rows,
    insert_row,
    iterate_rows,
    replace_fields,
    take_next_seq,
    to_json_list,
)

MACHINE_ID_FILE = Path("/etc/machine-id")
MIN_DROPPED_FRACTION = 0.01
"""Of the limit, how much a full outbox frees at once: one declared loss then covers many rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLimits:
    """The maximum size of an outbox."""

    max_rows: int = 500_000
    """Six days of one face a second."""
    max_payload_bytes: int = 400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalized:
    """What became of the rows that were not publishable yet."""

    first_seq: int | None
    """The oldest of those that are publishable now; None if there are none."""
    is_holding_back: bool
    """Whether others still have to wait."""


class Outbox:
    """Observations in the order of their `seq`, in one SQLite file; safe for several threads.

    Use as a context manager, which closes it. A method that writes returns only when the data is on disk. Every method
    raises DatabaseError if it fails. A corrupt file is set aside and replaced by a new one with a new `id`. A file that
    comes from another machine, or was another device's, gets a new `id` too, and its waiting rows continue under it.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str,
        limits: OutboxLimits | None = None,
        machine_id_file: Path = MACHINE_ID_FILE,
    ) -> None:
        """Open or create the file. DatabaseError if that is not possible."""
        self.id: UUID
        """Identifies this file in every message."""
        self._device = device
        self._limits = limits or OutboxLimits()
        self._machine_id = machine_id_file.read_text(encoding="ascii").strip() if machine_id_file.exists() else ""
        self._dropped = self._write_errors = 0
        self._has_erased_rows_in_log = False
        self.when_changed: Callable[[], None] = lambda: None
        """Called, in whichever thread it happens, when rows have been added, acknowledged or rejected, and when a
        corrupt file has been replaced."""
        self._file = OutboxFile(path, on_open=self._identify)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, draft: ObservationDraft, timestamp: Timestamp) -> Observation:
        """Store an observation, made at `timestamp`, with a new id, this outbox's id and the next `seq`.

        A full outbox deletes its oldest rows and declares them lost in the same transaction.
        """
        corrupt_files = self._file.corrupt_files
        try:
            try:
                observation = self._append(draft, timestamp)
            except DatabaseError:
                if self._file.corrupt_files == corrupt_files:
                    raise
                observation = self._append(draft, timestamp)  # the file was corrupt, and there is a new one
        except DatabaseError:
            self._write_errors += 1
            raise
        self.when_changed()
        return observation

    def finalize(self, clock: Clock, *, clock_wait_over: bool) -> Finalized:
        """Make rows publishable; from then on they never change.

        Rows made since the last boot, before the clock was synchronized, get the correct time. While the clock is not
        synchronized they are held back, until `clock_wait_over` says that they have waited long enough.
        """
        first_seq = None
        is_holding_back = False
        with self._file.connection() as database:
            if database.execute("SELECT 1 FROM message WHERE is_final = 0 LIMIT 1").fetchone() is None:
                return Finalized(first_seq=None, is_holding_back=False)
        with self._file.transaction() as database:
            not_final = (
                "SELECT seq, payload, boot_id, uptime_ms, dropped_last FROM message "
                "WHERE is_final = 0 AND seq > ? ORDER BY seq LIMIT 1000"
            )
            for seq, payload, boot_id, uptime_ms, dropped_last in iterate_rows(database, not_final):
                is_loss = dropped_last is not None
                at = None if is_loss else clock.corrected_time(boot_id, uptime_ms)
                is_correctable = not is_loss and clock.age_s(boot_id, uptime_ms) is not None
                if at is None and is_correctable and not clock_wait_over:
                    is_holding_back = True
                    continue
                new_payload = payload
                if at is not None:
                    with suppress(msgspec.DecodeError):  # the publisher rejects a damaged row and reports it
                        new_payload = replace_fields(payload, at=at, clock="synced")
                database.execute("UPDATE message SET payload = ?, is_final = 1 WHERE seq = ?", (new_payload, seq))
                add_to_totals(database, 0, len(new_payload) - len(payload))
                first_seq = seq if first_seq is None else first_seq
        return Finalized(first_seq=first_seq, is_holding_back=is_holding_back)

    def read_publishable(self, limit: int, *, after_seq: int = 0) -> list[tuple[int, bytes]]:
        """`seq` and payload of the oldest final rows that no collector has acknowledged yet; at most `limit`."""
        with self._file.connection() as database:
            return database.execute(
                "SELECT seq, payload FROM message WHERE reject_reason IS NULL AND is_final = 1 AND seq > ? "
                "ORDER BY seq LIMIT ?",
                (after_seq, limit),
            ).fetchall()

    def read_unacknowledged(self, sequences: Iterable[int]) -> list[tuple[int, bytes]]:
        """`seq` and payload of those of the final rows that no collector has acknowledged yet, in order."""
        with self._file.connection() as database:
            return database.execute(
                "SELECT seq, payload FROM message WHERE reject_reason IS NULL AND is_final = 1 "
                "AND seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
                (to_json_list(sequences),),
            ).fetchall()

    def delete_stored(self, sequences: Iterable[int]) -> None:
        """Delete rows that a collector has stored."""
        self.apply_acknowledgement(stored=sequences)

    def mark_rejected(self, reasons: Iterable[tuple[int, str]]) -> None:
        """Keep rows that a collector can never store, with the reason, and never send them again."""
        self.apply_acknowledgement(rejected=reasons)

    def apply_acknowledgement(
        self,
        *,
        stored: Iterable[int] = (),
        erased: Collection[int] = (),
        rejected: Iterable[tuple[int, str]] = (),
    ) -> None:
        """In one transaction: delete rows that are stored or whose data has been erased, and keep those that a
        collector can never store, with the reason, but never send them again. Nothing of an erased row stays on disk.
        """
        with self._file.transaction() as database:
            count = delete_rows(database, [*stored, *erased])
            count += max(
                0,
                database.executemany(
                    "UPDATE message SET reject_reason = ?, is_final = 1 WHERE seq = ?",
                    [(reason, seq) for seq, reason in rejected],
                ).rowcount,
            )
        if erased or self._has_erased_rows_in_log:
            self._has_erased_rows_in_log = not self._file.truncate_log()
        if count:
            self.when_changed()

    def count_waiting(self) -> int:
        """The number of rows not yet acknowledged."""
        with self._file.connection() as database:
            return count_waiting_rows(database)

    def health(self, clock: Clock) -> OutboxHealth:
        """What is waiting, what was lost, and which sequence numbers a collector should have."""
        with self._file.connection() as database:
            outbox = database.execute("SELECT first_seq, next_seq, row_count, previous_id FROM outbox")
            first_seq, next_seq, row_count, previous_id = outbox.fetchone()
            oldest = database.execute(
                "SELECT boot_id, uptime_ms, seq FROM message WHERE reject_reason IS NULL ORDER BY seq LIMIT 1"
            ).fetchone()
            # The rows that a declared loss covers are unacknowledged as long as the declaration is.
            (oldest_declared_seq,) = database.execute(
                "SELECT min(dropped_first) FROM message WHERE reject_reason IS NULL AND dropped_last IS NOT NULL"
            ).fetchone()
            oldest_seq = min(oldest[2] if oldest else next_seq, oldest_declared_seq or next_seq)
            waiting = count_waiting_rows(database)
            return OutboxHealth(
                id=self.id,
                first_seq=first_seq,
                oldest_seq=max(first_seq, oldest_seq),
                next_seq=next_seq,
                waiting=waiting,
                oldest_age_s=clock.age_s(*oldest[:2]) if oldest else None,
                rejected=row_count - waiting,
                dropped=self._dropped,
                write_errors=self._write_errors,
                previous_outbox=UUID(previous_id) if previous_id else None,
                corrupt_files=self._file.corrupt_files,
            )

    def _identify(self, database: sqlite3.Connection) -> None:
        """Set `id` for a file that was opened."""
        self.id = identify_outbox(database, device=self._device, machine_id=self._machine_id)
        self.when_changed()

    def _append(self, draft: ObservationDraft, timestamp: Timestamp) -> Observation:
        dropped = 0
        with self._file.transaction() as database:
            seq = take_next_seq(database)
            observation = draft.to_observation(outbox=self.id, seq=seq)
            is_final = observation.clock == "synced"
            insert_row(database, seq, encode_observation(observation), timestamp, is_final=is_final)
            rows, payload_bytes = database.execute("SELECT row_count, payload_bytes FROM outbox").fetchone()
            if rows > self._limits.max_rows or payload_bytes > self._limits.max_payload_bytes:
                dropped = self._make_room(database, seq, rows, payload_bytes, timestamp)
        self._dropped += dropped
        return observation

    def _make_room(
        self, database: sqlite3.Connection, newest_seq: int, rows: int, payload_bytes: int, timestamp: Timestamp
    ) -> int:
        """Delete the oldest rows, but never the newest, declare their loss, and return how many there were."""
        target_rows = self._limits.max_rows - max(1, math.floor(MIN_DROPPED_FRACTION * self._limits.max_rows))
        target_bytes = round(self._limits.max_payload_bytes * (1 - MIN_DROPPED_FRACTION))
        dropped = drop_oldest_observations(
            database,
            before_seq=newest_seq,
            excess_rows=rows - target_rows,
            excess_bytes=payload_bytes - target_bytes,
        )
        if dropped:
            declare_loss(database, dropped, device=self._device, outbox=self.id, timestamp=timestamp)
        return len(dropped)

"""A journal of every observation that an outbox ever held, and what became of each of them."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from mien.broker.admin.integrity import check_log
from mien.broker.database import schema
from mien.broker.database.engine import open_for_reading
from mien.edge.delivery.outbox import Outbox
from mien.messages.acknowledgement import ERASED

TRIGGER = """
CREATE TABLE journal (
    id TEXT PRIMARY KEY, device TEXT NOT NULL, outbox TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL
) STRICT;
CREATE TRIGGER inserted AFTER INSERT ON message WHEN NEW.dropped_last IS NULL BEGIN
    INSERT INTO journal
    SELECT row ->> 'id', row ->> 'device', row ->> 'outbox', NEW.seq, row ->> 'at'
    FROM (SELECT CAST(NEW.payload AS TEXT) AS row);
END;
CREATE TRIGGER renamed AFTER UPDATE OF payload ON message WHEN NEW.dropped_last IS NULL BEGIN
    UPDATE journal SET device = row ->> 'device', outbox = row ->> 'outbox', seq = NEW.seq
    FROM (SELECT CAST(NEW.payload AS TEXT) AS row) WHERE id = row ->> 'id';
END;
"""
"""Writes the journal in the transaction that inserts the observation, or that gives it the device's new name."""


def create_outbox(path: Path, device: str) -> None:
    """Create an outbox that keeps a journal."""
    with Outbox(path, device=device):
        pass
    with closing(sqlite3.connect(path)) as database:
        database.executescript(TRIGGER)


def count_waiting(path: Path) -> int:
    """How many rows of an outbox are not acknowledged."""
    with closing(sqlite3.connect(path, timeout=10)) as database:
        return int(database.execute("SELECT count(*) FROM message WHERE reject_reason IS NULL").fetchone()[0])


class JournalRow(NamedTuple):
    """An observation that an outbox held; device and outbox as it was last labelled."""

    id: str
    device: str
    outbox: str
    seq: int
    at: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of all observations that the outboxes ever held."""

    sent: int
    stored: int
    rejected: int
    erased: int
    dropped: int
    waiting: int
    lost: int
    doubled: int
    """Stored or rejected more than once, or both, from one device."""
    forged: int
    """In the log, but in no journal."""
    not_erased: int
    """In the log, though erased."""
    problems: dict[str, str]
    """Problems that `mien db check` reports."""
    missing: int
    """Sequence numbers that it reports as gaps."""
    silent: list[str]
    """Names of the outboxes that never held an observation."""

    @property
    def is_sound(self) -> bool:
        """Whether every observation is accounted for, once."""
        return not (self.lost or self.doubled or self.forged or self.not_erased or self.problems or self.missing)


@dataclass(frozen=True, slots=True)
class LogContents:
    """What a log has of each observation, by device and id."""

    stored: Counter[tuple[str, str]]
    rejected: Counter[tuple[str, str]]
    erased: frozenset[tuple[str, str]]
    """Arrived after they had been erased, and were rejected for that."""
    dropped: dict[str, list[tuple[int, int]]]
    """Declared losses, by outbox."""
    losses: frozenset[str]
    """Their ids."""
    erasures: dict[str, list[tuple[int, int]]]
    """Milliseconds since 1970, by device."""
    stored_ms: dict[tuple[str, str], int]
    """The time of each stored observation."""

    def is_erased(self, device: str, at_ms: int) -> bool:
        return any(start_ms <= at_ms < end_ms for start_ms, end_ms in self.erasures.get(device, []))


def account_for(outboxes: Sequence[Path], log: str) -> DeliveryReport:
    """Look up every id of the journals: in the log, among the rejected and the declared losses, and in its outbox."""
    engine = open_for_reading(log)
    with engine.connect() as connection:
        contents = _read_log(connection)
    check = check_log(engine)
    counts = dict.fromkeys(("sent", "stored", "rejected", "erased", "dropped", "waiting", "lost"), 0)
    ids_of = {name: {identifier for _, identifier in keys} for name, keys in _by_fate(contents).items()}
    journal_ids: set[str] = set()
    silent = []
    for path in outboxes:
        journal, remaining, outboxes_of_file = _read_outbox(path)
        if not journal:
            silent.append(path.stem)
        # A file whose device was renamed has had several outboxes, which numbered its rows one after another, and a
        # loss may have been declared under a later one.
        dropped = [span for outbox in outboxes_of_file for span in contents.dropped.get(outbox, [])]
        for identifier, device, _, seq, at in journal:
            journal_ids.add(identifier)
            counts["sent"] += 1
            # A row that was sent under the device's old name too is in the log under that one, and rejected from this.
            fate = next((name for name, ids in ids_of.items() if identifier in ids), "")
            if not fate:
                at_ms = round(datetime.fromisoformat(at).timestamp() * 1000)
                if any(first <= seq <= last for first, last in dropped):
                    fate = "dropped"
                elif seq in remaining:
                    fate = "waiting"
                else:
                    fate = "erased" if contents.is_erased(device, at_ms) else "lost"
            counts[fate] += 1
    decided = contents.stored + contents.rejected
    return DeliveryReport(
        **counts,
        doubled=sum(times - 1 for times in decided.values()),
        forged=len({identifier for _, identifier in decided} - journal_ids - contents.losses),
        not_erased=sum(contents.is_erased(device, at_ms) for (device, _), at_ms in contents.stored_ms.items()),
        problems={name: problem for name, problem in check.problems.items() if problem},
        missing=sum(
            last - first + 1
            for device_gaps in check.gaps.values()
            for ranges in device_gaps.values()
            for first, last in ranges
        ),
        silent=silent,
    )


def _by_fate(contents: LogContents) -> dict[str, Set[tuple[str, str]]]:
    return {
        "stored": contents.stored.keys(),
        "rejected": contents.rejected.keys() - contents.erased,
        "erased": contents.erased,
    }


def _read_log(connection: Connection) -> LogContents:
    devices: dict[int, str] = {row.key: row.name for row in connection.execute(select(schema.device))}
    outboxes: dict[int, bytes] = {row.key: row.name for row in connection.execute(select(schema.outbox))}
    observation, rejected, dropped, erasure = schema.observation, schema.rejected, schema.dropped, schema.erasure

    def key(device: int, identifier: bytes) -> tuple[str, str]:
        return devices[device], str(UUID(bytes=identifier))

    stored = connection.execute(select(observation.c.device, observation.c.id, observation.c.at_ms)).all()
    has_id = rejected.c.id.is_not(None)
    rejects = connection.execute(select(rejected.c.device, rejected.c.id, rejected.c.reason).where(has_id)).all()
    losses = connection.execute(select(dropped)).all()
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in losses:
        ranges[str(UUID(bytes=outboxes[row.outbox]))].append((row.first, row.last))
    erasures: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in connection.execute(select(erasure)):
        erasures[devices[row.device]].append((row.start_ms, row.end_ms))
    return LogContents(
        stored=Counter(key(device, identifier) for device, identifier, _ in stored),
        rejected=Counter(key(device, identifier) for device, identifier, _ in rejects),
        erased=frozenset(key(device, identifier) for device, identifier, reason in rejects if reason == ERASED),
        dropped=ranges,
        losses=frozenset(str(UUID(bytes=row.id)) for row in losses),
        erasures=erasures,
        stored_ms={key(device, identifier): at_ms for device, identifier, at_ms in stored},
    )


def _read_outbox(path: Path) -> tuple[list[JournalRow], set[int], set[str]]:
    """The journal's rows, the sequence numbers that are still in the outbox or in a declared loss that waits, and the
    ids that the outbox has had.
    """
    with closing(sqlite3.connect(path)) as database:
        journal = [JournalRow(*row) for row in database.execute("SELECT id, device, outbox, seq, at FROM journal")]
        remaining = {seq for (seq,) in database.execute("SELECT seq FROM message WHERE dropped_last IS NULL")}
        for first, last in database.execute("SELECT dropped_first, dropped_last FROM message WHERE dropped_last > 0"):
            remaining |= set(range(first, last + 1))
        (outbox,) = database.execute("SELECT id FROM outbox").fetchone()
    return journal, remaining, {outbox, *(row.outbox for row in journal)}

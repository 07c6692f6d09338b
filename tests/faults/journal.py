"""A journal of every observation that an outbox ever held, and what became of each of them."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading
from mien.edge.delivery.outbox import Outbox

TRIGGER = """
CREATE TABLE journal (id TEXT PRIMARY KEY, outbox TEXT NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE TRIGGER journal AFTER INSERT ON message WHEN NEW.dropped_last IS NULL BEGIN
    INSERT INTO journal SELECT json_extract(CAST(NEW.payload AS TEXT), '$.id'), outbox.id, NEW.seq FROM outbox;
END;
"""
"""Writes the journal in the transaction that inserts the observation."""


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


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of all observations that the outboxes ever held."""

    sent: int
    stored: int
    rejected: int
    dropped: int
    waiting: int
    lost: int
    duplicated: int
    forged: int
    """In the log, but in no journal."""
    problems: dict[str, str]
    """Problems that `mien db check` reports."""
    missing: int
    """Sequence numbers that it reports as gaps."""
    silent: list[str]
    """Names of the outboxes that never held an observation."""


def account_for(outboxes: Sequence[Path], log: str) -> DeliveryReport:
    """Look up every id of the journals: in the log, among the rejected and the declared losses, and in its outbox."""
    engine = open_for_reading(log)
    with engine.connect() as connection:

        def ids(query: str) -> list[str]:
            return [str(UUID(bytes=value)) for (value,) in connection.execute(text(query))]

        stored, rejected = ids("SELECT id FROM observation"), ids("SELECT id FROM rejected WHERE id IS NOT NULL")
        dropped = connection.execute(
            text('SELECT outbox.name, d.first, d.last FROM dropped AS d JOIN outbox ON outbox."key" = d.outbox')
        )
        dropped_ranges = [(str(UUID(bytes=name)), first, last) for name, first, last in dropped]
    check = check_log(engine)
    stored_ids, rejected_ids = set(stored), set(rejected)
    counts = dict.fromkeys(("sent", "stored", "rejected", "dropped", "waiting", "lost"), 0)
    journal_ids: set[str] = set()
    silent = []
    for path in outboxes:
        journal, remaining = _read_outbox(path)
        if not journal:
            silent.append(path.stem)
        for identifier, outbox, seq in journal:
            journal_ids.add(identifier)
            counts["sent"] += 1
            if identifier in stored_ids:
                fate = "stored"
            elif identifier in rejected_ids:
                fate = "rejected"
            elif any(outbox == name and first <= seq <= last for name, first, last in dropped_ranges):
                fate = "dropped"
            else:
                fate = "waiting" if seq in remaining else "lost"
            counts[fate] += 1
    in_both = stored_ids & rejected_ids
    return DeliveryReport(
        **counts,
        duplicated=len(stored) - len(stored_ids) + len(rejected) - len(rejected_ids) + len(in_both),
        forged=len((stored_ids | rejected_ids) - journal_ids),
        problems={name: problem for name, problem in check.problems.items() if problem},
        missing=sum(
            last - first + 1
            for device_gaps in check.gaps.values()
            for ranges in device_gaps.values()
            for first, last in ranges
        ),
        silent=silent,
    )


def _read_outbox(path: Path) -> tuple[list[tuple[str, str, int]], set[int]]:
    """The journal's rows, and the sequence numbers that are still in the outbox or in a declared loss that waits."""
    with closing(sqlite3.connect(path)) as database:
        journal = database.execute("SELECT id, outbox, seq FROM journal").fetchall()
        remaining = {seq for (seq,) in database.execute("SELECT seq FROM message WHERE dropped_last IS NULL")}
        for first, last in database.execute("SELECT dropped_first, dropped_last FROM message WHERE dropped_last > 0"):
            remaining |= set(range(first, last + 1))
    return journal, remaining

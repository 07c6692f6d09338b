"""What every outbox ever took, noted by a trigger in the same transaction; and what became of each."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from mien.broker.checking import check_log
from mien.broker.database import open_for_reading
from mien.edge.outbox import Outbox

TRIGGER = """
CREATE TABLE journal (id TEXT PRIMARY KEY, outbox TEXT NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE TRIGGER journal AFTER INSERT ON observation WHEN NEW.lost_last IS NULL BEGIN
    INSERT INTO journal SELECT json_extract(CAST(NEW.payload AS TEXT), '$.id'), outbox, NEW.seq FROM counter;
END;
"""


def begin(path: Path, device: str) -> None:
    """Make an outbox that keeps a journal."""
    with Outbox(path, device=device):
        pass
    with closing(sqlite3.connect(path)) as database:
        database.executescript(TRIGGER)


def waiting(path: Path) -> int:
    """How many rows of an outbox have no answer."""
    with closing(sqlite3.connect(path, timeout=10)) as database:
        return int(database.execute("SELECT count(*) FROM observation WHERE refused IS NULL").fetchone()[0])


@dataclass(frozen=True, slots=True)
class Account:
    """Where all that the outboxes ever took is now."""

    sent: int
    stored: int
    rejected: int
    dropped: int
    waiting: int
    lost: int
    doubled: int
    forged: int
    """In the log, but in no journal."""
    problems: dict[str, str]
    """What `mien db check` says."""
    missing: int
    """Numbers that it calls gaps."""


def account(outboxes: list[Path], log: str) -> Account:
    """Look for every journalled id: in the log, among the rejected and the declared losses, in its outbox."""
    engine = open_for_reading(log)
    with engine.connect() as connection:

        def ids(query: str) -> list[str]:
            return [str(UUID(bytes=found)) for (found,) in connection.execute(text(query))]

        stored, rejected = ids("SELECT id FROM observation"), ids("SELECT id FROM rejected WHERE id IS NOT NULL")
        declared = connection.execute(
            text('SELECT outbox.name, d.first, d.last FROM dropped AS d JOIN outbox ON outbox."key" = d.outbox')
        )
        losses = [(str(UUID(bytes=name)), first, last) for name, first, last in declared]
    check = check_log(engine)
    in_log, refused = set(stored), set(rejected)
    counts = dict.fromkeys(("sent", "stored", "rejected", "dropped", "waiting", "lost"), 0)
    known: set[str] = set()
    for path in outboxes:
        with closing(sqlite3.connect(path)) as database:
            journal = database.execute("SELECT id, outbox, seq FROM journal").fetchall()
            held = {seq for (seq,) in database.execute("SELECT seq FROM observation WHERE lost_last IS NULL")}
            for first, last in database.execute("SELECT lost_first, lost_last FROM observation WHERE lost_last > 0"):
                held |= set(range(first, last + 1))  # the declaration of their loss waits
        known |= {identifier for identifier, _, _ in journal}
        for identifier, outbox, seq in journal:
            counts["sent"] += 1
            if identifier in in_log:
                place = "stored"
            elif identifier in refused:
                place = "rejected"
            elif any(outbox == name and first <= seq <= last for name, first, last in losses):
                place = "dropped"
            else:
                place = "waiting" if seq in held else "lost"
            counts[place] += 1
    return Account(
        **counts,
        doubled=len(stored) - len(in_log) + len(rejected) - len(refused) + len(in_log & refused),
        forged=len((in_log | refused) - known),
        problems={name: problem for name, problem in check.problems.items() if problem},
        missing=sum(
            last - first + 1 for outboxes in check.gaps.values() for runs in outboxes.values() for first, last in runs
        ),
    )

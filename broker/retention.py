"""Deletes old rows in small batches, while others come; the rollup's counts stay."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, or_, select, update

from mien.emotions import EMOTIONS

from .schema import QUARTER_MS, counted, observation, rollup

BATCH = 1000
FORGOTTEN = tuple(f"{emotion}{kind}" for emotion in EMOTIONS for kind in ("_forgotten", "_forgotten_confidence"))


def forget(connection: Connection, before_ms: int, after: int) -> int | None:
    """Delete what came before a moment, of the next rows after this key; the key to go on from, or None at the end.

    Rows come in the order of their keys, so a batch without an old one is the end. A row that its device may send
    again, not having heard that it was stored, stays: it would come back as a new one.
    """
    device_counts = and_(counted.c.device == observation.c.device, counted.c.outbox == observation.c.outbox)
    batch = connection.execute(
        select(
            observation.c.key,
            observation.c.device,
            (observation.c.at_ms // QUARTER_MS).label("quarter"),
            observation.c.emotion,
            observation.c.confidence,
            observation.c.received_ms,
            or_(counted.c.oldest_seq.is_(None), observation.c.seq < counted.c.oldest_seq).label("settled"),
        )
        .select_from(observation.outerjoin(counted, device_counts))
        .where(observation.c.key > after)
        .order_by(observation.c.key)
        .limit(BATCH)
    ).all()
    old = [row for row in batch if row.received_ms < before_ms]
    deleted = [row for row in old if row.settled]
    if deleted:
        connection.execute(delete(observation).where(observation.c.key.in_([row.key for row in deleted])))
        _note(connection, deleted)
    return batch[-1].key if old else None


def _note(connection: Connection, deleted: Sequence[Row[Any]]) -> None:
    """Write into the rollup how many of the rows that it counts are gone."""
    gone: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for row in deleted:
        emotion = EMOTIONS[row.emotion]
        gone[row.device, row.quarter].update(
            {f"{emotion}_forgotten": 1, f"{emotion}_forgotten_confidence": row.confidence}
        )
    statement = (
        update(rollup)
        .where(rollup.c.device == bindparam("of_device"), rollup.c.quarter == bindparam("of_quarter"))
        .values({name: rollup.c[name] + bindparam(f"more_{name}") for name in FORGOTTEN})
    )
    rows = [
        {"of_device": device, "of_quarter": quarter} | {f"more_{name}": sums[name] for name in FORGOTTEN}
        for (device, quarter), sums in sorted(gone.items())
    ]
    connection.execute(statement, rows)

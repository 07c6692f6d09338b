"""Deletes old rows in small batches while new ones arrive; the rollup's counts remain."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, or_, select, update

from mien.broker.database.schema import QUARTER_HOUR_MS, observation, outbox_counter, rollup
from mien.emotions import EMOTIONS

BATCH_SIZE = 1000
DELETED_COLUMNS = tuple(f"{emotion}{suffix}" for emotion in EMOTIONS for suffix in ("_deleted", "_deleted_confidence"))


def delete_before(connection: Connection, before_ms: int, after_key: int) -> int | None:
    """Examine the next batch of rows after a key and delete those received before a time.

    Returns the key after which to continue, or None at the end: rows are in the order of their keys, so a batch without
    an old one is the end. A row that its device may send again, because it has not received the acknowledgement, stays:
    it would return as a new one.
    """
    same_outbox = and_(outbox_counter.c.device == observation.c.device, outbox_counter.c.outbox == observation.c.outbox)
    is_final = or_(outbox_counter.c.oldest_seq.is_(None), observation.c.seq < outbox_counter.c.oldest_seq)
    batch = connection.execute(
        select(
            observation.c.key,
            observation.c.device,
            (observation.c.at_ms // QUARTER_HOUR_MS).label("quarter_hour"),
            observation.c.emotion,
            observation.c.confidence,
            observation.c.received_ms,
            is_final.label("is_final"),
        )
        .select_from(observation.outerjoin(outbox_counter, same_outbox))
        .where(observation.c.key > after_key)
        .order_by(observation.c.key)
        .limit(BATCH_SIZE)
    ).all()
    old = [row for row in batch if row.received_ms < before_ms]
    deleted = [row for row in old if row.is_final]
    if deleted:
        connection.execute(delete(observation).where(observation.c.key.in_([row.key for row in deleted])))
        _count_deleted(connection, deleted)
    return batch[-1].key if old else None


def _count_deleted(connection: Connection, deleted: Sequence[Row[Any]]) -> None:
    """Add to the rollup how many of the rows that it counts were deleted."""
    sums_by_cell: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for row in deleted:
        emotion = EMOTIONS[row.emotion]
        sums_by_cell[row.device, row.quarter_hour].update(
            {f"{emotion}_deleted": 1, f"{emotion}_deleted_confidence": row.confidence}
        )
    statement = (
        update(rollup)
        .where(rollup.c.device == bindparam("device_key"), rollup.c.quarter_hour == bindparam("quarter_hour_key"))
        .values({name: rollup.c[name] + bindparam(f"more_{name}") for name in DELETED_COLUMNS})
    )
    rows = [
        {"device_key": device, "quarter_hour_key": quarter_hour}
        | {f"more_{name}": sums[name] for name in DELETED_COLUMNS}
        for (device, quarter_hour), sums in sorted(sums_by_cell.items())
    ]
    connection.execute(statement, rows)

"""Deletes old rows in small batches, while others come; the rollup's counts stay."""

from collections import Counter

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, update

from .schema import QUARTER_MS, counted, observation, rollup

BATCH = 1000


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
        _note(connection, [((row.device, row.quarter, row.emotion), row.confidence) for row in deleted])
    return batch[-1].key if old else None


def _note(connection: Connection, rows: list[tuple[tuple[int, int, int], int]]) -> None:
    """Write into the rollup's cells how many of the rows that they count are gone."""
    counts, confidences = Counter(cell for cell, _ in rows), Counter[tuple[int, int, int]]()
    for cell, confidence in rows:
        confidences[cell] += confidence
    statement = (
        update(rollup)
        .where(
            rollup.c.device == bindparam("of_device"),
            rollup.c.quarter == bindparam("of_quarter"),
            rollup.c.emotion == bindparam("of_emotion"),
        )
        .values(
            forgotten=rollup.c.forgotten + bindparam("count"),
            forgotten_confidence=rollup.c.forgotten_confidence + bindparam("sum"),
        )
    )
    names = ("of_device", "of_quarter", "of_emotion", "count", "sum")
    cells = [dict(zip(names, (*cell, counts[cell], confidences[cell]), strict=True)) for cell in sorted(counts)]
    connection.execute(statement, cells)

"""Deletes old rows in small batches while new ones arrive, then outboxes that are over, and old counts if asked to."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, or_, select

from mien.broker.database.schema import QUARTER_HOUR_MS, dropped, observation, outbox_counter, rejected

from . import rollup
from .outbox_expiry import delete_names, delete_outboxes

BATCH_SIZE = 1000
TABLES = (observation, rejected, dropped)


class Position(NamedTuple):
    """How far a pass has come: rows of TABLES, then outboxes, then names, then counts."""

    step: int = 0
    key: int = 0
    """Of the last row, or of the last device whose outboxes were examined."""


START = Position()


class Deletion(NamedTuple):
    """What a batch has deleted."""

    table: str
    rows: int
    next_position: Position | None
    """Where to continue; None at the end."""


def delete_before(
    connection: Connection, before_ms: int, position: Position = START, *, rollup_before_ms: int | None = None
) -> Deletion:
    """Delete the next batch of what was received before a time, and counts of what was observed before another.

    Rows are in the order of their keys, so a batch without an old one is the end of its table. A row that its device
    may send again, because it has not received the acknowledgement, stays: it would return as a new one.
    """
    step, after_key = position
    if step < len(TABLES):
        table = TABLES[step]
        rows, last_key = _delete_rows(connection, table, before_ms, after_key)
        return Deletion(table.name, rows, Position(step + 1) if last_key is None else Position(step, last_key))
    if step == len(TABLES):
        outboxes, last_key = delete_outboxes(connection, before_ms, after_key)
        return Deletion("outbox", outboxes, Position(step + 1) if last_key is None else Position(step, last_key))
    if step == len(TABLES) + 1:
        return Deletion("name", delete_names(connection), None if rollup_before_ms is None else Position(step + 1))
    count = 0 if rollup_before_ms is None else rollup.delete_before(connection, rollup_before_ms)
    return Deletion("rollup", count, position if count == rollup.BATCH_SIZE else None)


def _delete_rows(connection: Connection, table: Table, before_ms: int, after_key: int) -> tuple[int, int | None]:
    """How many rows were deleted, and the key of the last that was examined; None if there are no more old ones."""
    columns = [table.c.key, table.c.received_ms, _is_final(table, before_ms).label("is_final")]
    if table is observation:
        quarter_hour = (observation.c.at_ms // QUARTER_HOUR_MS).label("quarter_hour")
        columns += [observation.c.device, quarter_hour, observation.c.emotion, observation.c.confidence]
    same_outbox = and_(outbox_counter.c.device == table.c.device, outbox_counter.c.outbox == table.c.outbox)
    batch = connection.execute(
        select(*columns)
        .select_from(table.outerjoin(outbox_counter, same_outbox))
        .where(table.c.key > after_key)
        .order_by(table.c.key)
        .limit(BATCH_SIZE)
    ).all()
    old = [row for row in batch if row.received_ms < before_ms]
    deleted = [row for row in old if row.is_final]
    if deleted:
        connection.execute(delete(table).where(table.c.key.in_([row.key for row in deleted])))
        if table is observation:
            rollup.count_deleted(connection, deleted)
    return len(deleted), batch[-1].key if old else None


def _is_final(table: Table, before_ms: int) -> ColumnElement[bool]:
    """Whether a row's device will not send it again: it has the acknowledgement, or has long had another outbox."""
    newer = outbox_counter.alias()
    is_superseded = exists(
        select(1).where(newer.c.device == table.c.device, newer.c.received_ms > outbox_counter.c.received_ms)
    )
    return or_(
        outbox_counter.c.oldest_seq.is_(None),
        table.c.seq < outbox_counter.c.oldest_seq,
        and_(outbox_counter.c.received_ms < before_ms, is_superseded),
    )

"""Deletes old rows in small batches while new ones arrive, then outboxes that are over, and old counts if asked to."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, or_, select

from mien.broker.database.schema import QUARTER_HOUR_MS, device, dropped, observation, outbox_counter, rejected
from mien.broker.database.writer_locks import lock_devices

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


def is_side_by_side(position: Position) -> bool:
    """Whether the batch there may be deleted beside other transactions: it locks the devices of its rows."""
    return position.step < len(TABLES)


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
    is_next = table.c.key > after_key
    keys = select(table.c.key, table.c.device).where(is_next).order_by(table.c.key).limit(BATCH_SIZE).subquery()
    query = select(func.max(keys.c.key).label("last_key"), keys.c.device, device.c.name)
    query = query.select_from(keys.outerjoin(device, device.c.key == keys.c.device))
    devices = connection.execute(query.group_by(keys.c.device, device.c.name)).all()
    if not devices:
        return 0, None
    last_key = max(row.last_key for row in devices)
    # Rows of devices to which another collector is writing stay until the next pass.
    locked_names = lock_devices(connection, {row.name or "" for row in devices}, urgent=())
    locked = {row.device for row in devices if (row.name or "") in locked_names}
    is_next &= table.c.key <= last_key
    columns = [table.c.key, table.c.device, table.c.received_ms, _is_final(table, before_ms).label("is_final")]
    if table is observation:
        quarter_hour = (observation.c.at_ms // QUARTER_HOUR_MS).label("quarter_hour")
        columns += [quarter_hour, observation.c.emotion, observation.c.confidence]
    same_outbox = and_(outbox_counter.c.device == table.c.device, outbox_counter.c.outbox == table.c.outbox)
    batch = connection.execute(
        select(*columns).select_from(table.outerjoin(outbox_counter, same_outbox)).where(is_next).order_by(table.c.key)
    ).all()
    old = [row for row in batch if row.received_ms < before_ms]
    deleted = [row for row in old if row.is_final and row.device in locked]
    if deleted:
        connection.execute(delete(table).where(table.c.key.in_([row.key for row in deleted])))
        if table is observation:
            rollup.count_deleted(connection, deleted)
    return len(deleted), None if batch and not old else last_key  # another collector may have deleted the whole batch


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

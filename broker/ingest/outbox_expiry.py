"""Deletes what is known of outboxes once it can matter no more, and the names that nothing refers to."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, delete, exists, select, union

from mien.broker.database import schema
from mien.broker.database.schema import acked_range, device, erasure, outbox, outbox_counter

MAX_OUTBOXES = 5000
"""Deleted in one transaction."""
MAX_DEVICES = 100
"""Examined in one transaction."""
ROWS = (schema.observation, schema.rejected, schema.dropped)


def delete_outboxes(connection: Connection, before_ms: int, after_key: int) -> tuple[int, int | None]:
    """Delete the counters and acknowledged ranges of the next devices' outboxes that are over.

    An outbox is over if its device has a later one, or was wholly erased; if no row of it is left; if it has reported
    nothing since `before_ms`; and if no other outbox has taken over its numbers. Everything else stays, so that the
    device's gaps remain what they are, however long it is quiet.

    Returns how many were deleted, and the key of the device after which to continue; None if there is none.
    """
    query = select(device.c.key).where(device.c.key > after_key).order_by(device.c.key).limit(MAX_DEVICES)
    last_key = None
    for device_key in connection.scalars(query).all():
        if over := sorted(_outboxes_that_are_over(connection, device_key, before_ms)):
            deleted = over[:MAX_OUTBOXES]
            for table in (outbox_counter, acked_range):
                same_key = (table.c.device == device_key) & (table.c.outbox == bindparam("key", type_=BigInteger()))
                connection.execute(delete(table).where(same_key), [{"key": key} for key in deleted])
            return len(deleted), device_key if deleted == over else last_key or after_key
        last_key = device_key
    return 0, last_key


def _outboxes_that_are_over(connection: Connection, device_key: int, before_ms: int) -> set[int]:
    """The keys of a device's outboxes that can be deleted."""
    counters = connection.execute(select(outbox_counter).where(outbox_counter.c.device == device_key)).all()
    over = _superseded(connection, device_key, counters)
    over -= {row.outbox for row in counters if row.received_ms >= before_ms}
    if over:
        over -= _outboxes_with_rows(connection, device_key)
    while needed := over & {row.previous_outbox for row in counters if row.outbox not in over}:
        over -= needed
    return over


def _superseded(connection: Connection, device_key: int, counters: Iterable[Row[Any]]) -> set[int]:
    """The keys of a device's outboxes without the one that it uses; all if the device was wholly erased.

    The one in use is the last that it reported, or else the one that was new last.
    """
    query = select(acked_range.c.outbox).where(acked_range.c.device == device_key).distinct()
    known = set(connection.scalars(query)) | {row.outbox for row in counters}
    is_erased = exists().where(erasure.c.device == device_key, erasure.c.is_whole_device == 1)
    if not known or connection.execute(select(is_erased)).scalar():
        return known
    reported = [(row.received_ms, row.outbox) for row in counters]
    _, in_use = max(reported) if reported else (0, max(known))
    return known - {in_use}


def _outboxes_with_rows(connection: Connection, device_key: int) -> set[int]:
    """The keys of the outboxes from which a device has rows."""
    queries = [select(table.c.outbox).where(table.c.device == device_key).distinct() for table in ROWS]
    return set(connection.scalars(union(*queries)))


def delete_names(connection: Connection) -> int:
    """Delete the names of outboxes and devices that nothing refers to; how many there were.

    Every row of an outbox is in its acknowledged ranges.
    """
    outboxes = union(
        select(acked_range.c.outbox),
        select(outbox_counter.c.outbox),
        select(outbox_counter.c.previous_outbox).where(outbox_counter.c.previous_outbox.is_not(None)),
    )
    deleted = connection.execute(delete(outbox).where(outbox.c.key.not_in(outboxes))).rowcount
    referring = [
        column for table in schema.metadata.sorted_tables for column in table.c if column.references(device.c.key)
    ]
    is_unused = [~exists().where(column == device.c.key) for column in referring]
    return deleted + connection.execute(delete(device).where(*is_unused)).rowcount

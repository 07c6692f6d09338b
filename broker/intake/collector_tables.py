"""What a collector writes about itself, for the page and for people who look into the log."""

from collections import Counter

from sqlalchemy import Connection

from mien.broker.database import schema
from mien.broker.database.bulk_sql import lookup_keys, upsert
from mien.device_name import is_device_name
from mien.messages.status import CollectorStatus


def save_discarded(connection: Connection, discarded: Counter[str], now_ms: int) -> None:
    """Add to the number of rows that were discarded of each device; names that are no device's are left out."""
    rows = {device: count for device, count in discarded.items() if is_device_name(device)}
    if not rows:
        return
    devices = lookup_keys(connection, schema.device, set(rows))
    table = schema.discarded
    insert = upsert(connection, table)
    statement = insert.on_conflict_do_update(
        index_elements=[table.c.device],
        set_={"rows": table.c.rows + insert.excluded.rows, "last_ms": insert.excluded.last_ms},
    )
    connection.execute(
        statement,
        [{"device": devices[device], "rows": count, "last_ms": now_ms} for device, count in sorted(rows.items())],
    )


def save_collector_state(connection: Connection, name: str, status: CollectorStatus, now_ms: int) -> None:
    """Store a collector's state in place of the one before."""
    insert = upsert(connection, schema.collector_state)
    statement = insert.on_conflict_do_update(
        index_elements=["name"],
        set_={column: insert.excluded[column] for column in ("state", "reason", "received_ms")},
    )
    row = {"name": name, "state": status.state, "reason": status.reason, "received_ms": now_ms}
    connection.execute(statement, row)

"""Keeps what a collector believes about the time in the log, for the next one."""

from sqlalchemy import Connection, select

from mien.broker.database.bulk_sql import upsert
from mien.broker.database.schema import observation, server_clock

from .server_clock import TimeBelief

KEY = 1
"""There is one row: collectors that share a log share the time."""


def load_belief(connection: Connection) -> TimeBelief | None:
    """The last belief, or else when the newest row was received; None if the log is empty."""
    query = select(server_clock.c.believed_ms, server_clock.c.confirmed_ms)
    if row := connection.execute(query).first():
        return TimeBelief(row.believed_ms, row.confirmed_ms)
    newest = select(observation.c.received_ms).order_by(observation.c.key.desc()).limit(1)
    received_ms = connection.execute(newest).scalar()
    return None if received_ms is None else TimeBelief(received_ms)


def save_belief(connection: Connection, belief: TimeBelief) -> None:
    """Store a belief in place of the one before."""
    insert = upsert(connection, server_clock)
    statement = insert.on_conflict_do_update(
        index_elements=["key"], set_={name: insert.excluded[name] for name in belief._fields}
    )
    connection.execute(statement, {"key": KEY, **belief._asdict()})

"""The last that each device said on its retained topics."""

from typing import NamedTuple

from sqlalchemy import Connection

from . import schema
from .names import keys
from .statements import upsert


class State(NamedTuple):
    """One message on a retained topic."""

    payload: bytes
    received_ms: int


def keep(connection: Connection, states: dict[tuple[str, str], State]) -> None:
    """Keep states by device and topic in place of earlier ones."""
    devices = keys(connection, schema.device, {device for device, _ in states})
    table = schema.device_state
    insert = upsert(connection, table)
    statement = insert.on_conflict_do_update(
        index_elements=[table.c.device, table.c.topic],
        set_={"payload": insert.excluded.payload, "received_ms": insert.excluded.received_ms},
    )
    rows = [
        {"device": devices[device], "topic": topic, "payload": state.payload, "received_ms": state.received_ms}
        for (device, topic), state in sorted(states.items())
    ]
    connection.execute(statement, rows)

"""The last message of each device on each of its retained topics."""

from typing import NamedTuple

from sqlalchemy import Connection

from mien.broker.database import schema
from mien.broker.database.bulk_sql import lookup_keys, upsert


class DeviceState(NamedTuple):
    """One message on a retained topic."""

    payload: bytes
    received_ms: int


DeviceStates = dict[tuple[str, str], DeviceState]
"""By device and the last level of the topic: status, health, motion."""


def save_device_states(connection: Connection, states: DeviceStates) -> None:
    """Store states in place of earlier ones."""
    devices = lookup_keys(connection, schema.device, {device for device, _ in states})
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

"""What is missing: numbers that a device has counted, that it no longer holds, and that nobody has answered."""

import msgspec
from sqlalchemy import Connection, select

from mien.health import HEALTH, decode_health

from . import schema
from .answered import Run, without


def gaps(connection: Connection) -> dict[str, list[Run]]:
    """Each device's missing numbers, by what it last said of its outbox; devices that said nothing are left out."""
    state, device = schema.device_state, schema.device
    said = select(device.c.name, state.c.payload).join(device, device.c.key == state.c.device)
    found: dict[str, list[Run]] = {}
    for name, payload in connection.execute(said.where(state.c.topic == HEALTH)):
        try:
            outbox = decode_health(payload).outbox
        except msgspec.DecodeError:
            continue  # of an agent of another release
        counted = [(outbox.first_seq, outbox.oldest_seq - 1)] if outbox.oldest_seq > outbox.first_seq else []
        found[name] = without(counted, _answered(connection, outbox.id.bytes))
    return found


def count_gaps(connection: Connection) -> dict[str, int]:
    """How many numbers each device is missing."""
    return {name: sum(last - first + 1 for first, last in runs) for name, runs in gaps(connection).items()}


def _answered(connection: Connection, outbox: bytes) -> list[Run]:
    answered = schema.answered
    runs = select(answered.c.first, answered.c.last).join(schema.outbox, schema.outbox.c.key == answered.c.outbox)
    return [(row.first, row.last) for row in connection.execute(runs.where(schema.outbox.c.name == outbox))]

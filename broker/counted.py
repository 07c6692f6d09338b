"""How far each outbox has counted, as its device has told: of outboxes, too, that a device no longer has."""

import logging

import msgspec
from sqlalchemy import Connection, select

from mien.health import HEALTH, OutboxHealth, decode_health

from . import schema
from .device_state import State
from .names import keys
from .schema import counted
from .statements import upsert

log = logging.getLogger(__name__)


def enter(connection: Connection, states: dict[tuple[str, str], State]) -> None:
    """Enter what devices said on their health topics."""
    told: list[tuple[str, int, OutboxHealth]] = []
    for (device, topic), state in sorted(states.items()):
        if topic == HEALTH:
            try:
                told.append((device, state.received_ms, decode_health(state.payload).outbox))
            except msgspec.DecodeError as error:
                log.warning("cannot read the health of %s, so its gaps are not counted: %s", device, error)
    if not told:
        return
    devices = keys(connection, schema.device, {device for device, _, _ in told})
    names = {health.id.bytes for _, _, health in told} | {one.continues.bytes for _, _, one in told if one.continues}
    outboxes = keys(connection, schema.outbox, names)
    before = {
        (row.device, row.outbox): row
        for row in connection.execute(select(counted).where(counted.c.outbox.in_(outboxes.values())))
    }
    rows: dict[tuple[int, int], dict[str, int | None]] = {}
    for device, received_ms, health in told:
        key = devices[device], outboxes[health.id.bytes]
        known = before.get(key)
        rows[key] = {
            "device": key[0],
            "outbox": key[1],
            "continues": outboxes[health.continues.bytes] if health.continues else None,
            "first_seq": health.first_seq,
            # What a device says may come late: no number is ever taken back.
            "oldest_seq": max(health.oldest_seq, known.oldest_seq if known else 0),
            "next_seq": max(health.next_seq, known.next_seq if known else 0),
            "received_ms": received_ms,
        }
    statement = upsert(connection, counted)
    changes = {
        name: statement.excluded[name] for name in ("continues", "first_seq", "oldest_seq", "next_seq", "received_ms")
    }
    statement = statement.on_conflict_do_update(index_elements=[counted.c.device, counted.c.outbox], set_=changes)
    connection.execute(statement, list(rows.values()))

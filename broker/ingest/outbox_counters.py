"""Records how far each outbox has counted, as its device reports; also for outboxes that a device no longer has."""

import logging

import msgspec
from sqlalchemy import Connection, select

from mien.broker.database import schema
from mien.broker.database.bulk_sql import upsert
from mien.broker.database.lookup import lookup_keys
from mien.broker.database.schema import outbox_counter
from mien.messages.health import OutboxHealth, decode_health
from mien.messages.topics import HEALTH

from .device_state import DeviceStates

log = logging.getLogger(__name__)


def save_outbox_counters(connection: Connection, states: DeviceStates) -> None:
    """Store what the devices' health reports say about their outboxes."""
    reports = _decode_reports(states)
    if not reports:
        return
    devices = lookup_keys(connection, schema.device, {device for device, _, _ in reports})
    outbox_ids = {health.id.bytes for _, _, health in reports}
    outbox_ids |= {health.previous_outbox.bytes for _, _, health in reports if health.previous_outbox}
    outboxes = lookup_keys(connection, schema.outbox, outbox_ids)
    query = select(outbox_counter).where(outbox_counter.c.outbox.in_(outboxes.values()))
    stored = {(row.device, row.outbox): row for row in connection.execute(query)}
    rows: dict[tuple[int, int], dict[str, int | None]] = {}
    for device, received_ms, health in reports:
        key = devices[device], outboxes[health.id.bytes]
        before = stored.get(key)
        rows[key] = {
            "device": key[0],
            "outbox": key[1],
            "previous_outbox": outboxes[health.previous_outbox.bytes] if health.previous_outbox else None,
            "first_seq": health.first_seq,
            # A report may arrive late: counters never go back.
            "oldest_seq": max(health.oldest_seq, before.oldest_seq if before else 0),
            "next_seq": max(health.next_seq, before.next_seq if before else 0),
            "received_ms": received_ms,
        }
    statement = upsert(connection, outbox_counter)
    updated = ("previous_outbox", "first_seq", "oldest_seq", "next_seq", "received_ms")
    statement = statement.on_conflict_do_update(
        index_elements=[outbox_counter.c.device, outbox_counter.c.outbox],
        set_={name: statement.excluded[name] for name in updated},
    )
    connection.execute(statement, list(rows.values()))


def _decode_reports(states: DeviceStates) -> list[tuple[str, int, OutboxHealth]]:
    """Device, time of arrival and outbox of each readable health report."""
    reports: list[tuple[str, int, OutboxHealth]] = []
    for (device, topic), state in sorted(states.items()):
        if topic == HEALTH:
            try:
                reports.append((device, state.received_ms, decode_health(state.payload).outbox))
            except msgspec.DecodeError as error:
                log.warning("cannot read the health report of %s, so its gaps are not counted: %s", device, error)
    return reports

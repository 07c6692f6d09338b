"""Records how far each outbox has counted, as its device reports; also for outboxes that a device no longer has."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, select, union

from mien.broker.database import schema
from mien.broker.database.bulk_sql import lookup_keys, upsert
from mien.broker.database.encoding import to_epoch_ms
from mien.broker.database.schema import acked_range, outbox_counter
from mien.messages.health import OutboxHealth, decode_health
from mien.messages.topics import HEALTH
from mien.mqtt.log_interval import LogInterval

from .device_state import DeviceStates
from .erasures import find_uncleared
from .message import to_printable

MAX_NUMBERS_PER_S = 1000
"""More than any device can number: a number per tracked face and reporting interval."""
SLACK_NUMBERS = 100_000
"""What a counter may jump ahead regardless of time, for example because the server's clock was set back."""
COUNTING_SINCE_MS = to_epoch_ms(datetime(2020, 1, 1, tzinfo=UTC))
"""No outbox is older."""

log = logging.getLogger(__name__)


class OutboxReport(NamedTuple):
    """What a device's health report says about its outbox."""

    device: str
    received_ms: int
    outbox: OutboxHealth


def save_outbox_counters(connection: Connection, states: DeviceStates, log_interval: LogInterval) -> None:
    """Store what the devices' health reports say about their outboxes.

    A report that cannot be read, or that claims more numbers than time allows, is not stored: its gaps would never
    close. It is logged, once a minute for each device.
    """
    reports, errors = _decode_reports(states)
    stored = _select_counters(connection, reports)
    for report in reports:
        limit = _max_next_seq(report.received_ms, stored.get((report.device, report.outbox.id.bytes)))
        if report.outbox.next_seq > limit:
            errors[report.device] = (
                f"outbox {report.outbox.id} has counted to {report.outbox.next_seq}, which is more than time allows "
                f"({limit}): if that persists, look for a damaged outbox or a foreign program with its account"
            )
    for device, error in errors.items():
        if log_interval.count(device):
            log.warning("the health report of %s is not used, so its gaps are not counted: %s", device, error)
    reports = [report for report in reports if report.device not in errors]
    if not reports:
        return
    devices = lookup_keys(connection, schema.device, {report.device for report in reports})
    outboxes = lookup_keys(connection, schema.outbox, {report.outbox.id.bytes for report in reports})
    previous = _select_previous(connection, reports)
    uncleared = find_uncleared(connection)  # their reports may be retained messages from before the erasure
    rows = []
    for device, received_ms, health in reports:
        before = stored.get((device, health.id.bytes))
        previous_id = health.previous_outbox.bytes if health.previous_outbox else b""
        rows.append(
            {
                "device": devices[device],
                "outbox": outboxes[health.id.bytes],
                "previous_outbox": previous.get((device, previous_id)),
                "first_seq": health.first_seq,
                # A report may arrive late: counters never go back.
                "oldest_seq": max(health.oldest_seq, before.oldest_seq if before else 0),
                "next_seq": max(health.next_seq, before.next_seq if before else 0),
                "after_erasure_seq": before.after_erasure_seq if before else None,
                "received_ms": received_ms,
            }
        )
        if rows[-1]["after_erasure_seq"] is None and device not in uncleared:
            rows[-1]["after_erasure_seq"] = health.next_seq
    statement = upsert(connection, outbox_counter)
    updated = ("previous_outbox", "first_seq", "oldest_seq", "next_seq", "after_erasure_seq", "received_ms")
    statement = statement.on_conflict_do_update(
        index_elements=[outbox_counter.c.device, outbox_counter.c.outbox],
        set_={name: statement.excluded[name] for name in updated},
    )
    connection.execute(statement, rows)


def _decode_reports(states: DeviceStates) -> tuple[list[OutboxReport], dict[str, str]]:
    """Each readable health report, and by device why one is not readable."""
    reports: list[OutboxReport] = []
    errors: dict[str, str] = {}
    for (device, topic), state in sorted(states.items()):
        if topic == HEALTH:
            try:
                reports.append(OutboxReport(device, state.received_ms, decode_health(state.payload).outbox))
            except msgspec.DecodeError as error:
                errors[device] = f"{to_printable(str(error))}: is the device's release newer than this one?"
    return reports, errors


def _max_next_seq(received_ms: int, before: Row[Any] | None) -> int:
    """How far a device can have counted since its last report, or since there have been outboxes."""
    next_seq, since_ms = (before.next_seq, before.received_ms) if before else (1, COUNTING_SINCE_MS)
    return int(next_seq + SLACK_NUMBERS + max(0, received_ms - since_ms) * MAX_NUMBERS_PER_S // 1000)


def _select_counters(connection: Connection, reports: Sequence[OutboxReport]) -> dict[tuple[str, bytes], Row[Any]]:
    """The stored counters of the reported outboxes, by the names of device and outbox."""
    if not reports:
        return {}
    query = (
        select(outbox_counter, schema.device.c.name.label("device_name"), schema.outbox.c.name.label("outbox_name"))
        .join(schema.device, schema.device.c.key == outbox_counter.c.device)
        .join(schema.outbox, schema.outbox.c.key == outbox_counter.c.outbox)
        .where(schema.outbox.c.name.in_({report.outbox.id.bytes for report in reports}))
    )
    return {(row.device_name, row.outbox_name): row for row in connection.execute(query)}


def _select_previous(connection: Connection, reports: Sequence[OutboxReport]) -> dict[tuple[str, bytes], int]:
    """The keys of the outboxes that reported ones have taken over, by the names of device and outbox.

    Only those from which the same device has numbers: none can take over the numbers of another device.
    """
    ids = {report.outbox.previous_outbox.bytes for report in reports if report.outbox.previous_outbox}
    if not ids:
        return {}
    numbered = union(
        select(outbox_counter.c.device, outbox_counter.c.outbox), select(acked_range.c.device, acked_range.c.outbox)
    ).subquery()
    query = (
        select(schema.device.c.name.label("device_name"), schema.outbox)
        .join(numbered, numbered.c.outbox == schema.outbox.c.key)
        .join(schema.device, schema.device.c.key == numbered.c.device)
        .where(
            schema.outbox.c.name.in_(ids),
            schema.device.c.name.in_({report.device for report in reports}),
        )
    )
    return {(row.device_name, row.name): row.key for row in connection.execute(query)}

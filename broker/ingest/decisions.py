"""What became of messages, by device and id: found for those that arrive again, kept for those that are rejected."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, func, or_, select

from mien.broker.database.bulk_sql import insert_rows, select_by_id
from mien.broker.database.schema import dropped, observation, rejected

from .message import IncomingMessage, MessageKey

MAX_PAYLOADS = 1000
"""Payloads kept of each device; further messages are rejected as well, but only their ids and reasons are kept."""
MAX_PAYLOAD_BYTES = 4096
"""No larger payload is kept, not even in part: half a message could not be tried again. A valid one has about 700."""
REJECTED_COLUMNS = ("identity", "id", "device", "outbox", "seq", "topic", "reason", "received_ms", "payload")


class Decisions(NamedTuple):
    """What earlier commits decided about some messages."""

    reasons: dict[MessageKey, str | None]
    """For each known message None if it is in the log, else why it never will be."""
    owners: dict[UUID, int]
    """For each id in the log the key of the device that sent it; no other device can use that id."""


def find_decisions(
    connection: Connection, messages: Mapping[MessageKey, IncomingMessage], devices: Mapping[str, int]
) -> Decisions:
    """What earlier commits decided about these messages; `devices` has the keys of the known devices."""
    ids = [message_id.bytes for _, message_id in messages]
    stored = {
        (UUID(bytes=message_id), device)
        for table in (observation, dropped)
        for message_id, device in select_by_id(connection, table, "id, device", ids)
    }
    owners = dict(stored)
    rejections = dict(select_by_id(connection, rejected, "identity, reason", ids))
    reasons: dict[MessageKey, str | None] = {}
    if owners or rejections:
        for (device, message_id), message in messages.items():
            if (message_id, devices.get(device)) in stored:
                reasons[device, message_id] = None
            elif rejections and message.identity in rejections:
                reasons[device, message_id] = rejections[message.identity]
    return Decisions(reasons, owners)


def find_rejected(connection: Connection, identities: Collection[bytes]) -> set[bytes]:
    """Which of these messages without an id have been rejected before."""
    if not identities:
        return set()
    query = select(rejected.c.identity).where(rejected.c.identity.in_(identities))
    return set(connection.scalars(query))


def insert_rejected(
    connection: Connection,
    messages: Sequence[IncomingMessage],
    devices: Mapping[str, int],
    outboxes: Mapping[bytes, int],
) -> None:
    """Keep new rejected messages, with the keys of their devices and outboxes; payloads only within the limits."""
    device_keys = {devices.get(message.device) for message in messages}
    kept = _count_payloads(connection, device_keys)
    rows: list[tuple[Any, ...]] = []
    for message in messages:
        device, envelope = devices.get(message.device), message.envelope
        is_kept = message.reject_reason != "erased" and len(message.payload) <= MAX_PAYLOAD_BYTES
        is_kept = is_kept and kept[device] < MAX_PAYLOADS
        kept[device] += is_kept
        rows.append(
            (
                message.identity,
                envelope.id.bytes if envelope else None,
                device,
                outboxes[envelope.outbox.bytes] if envelope and message.is_numbered else None,
                envelope.seq if envelope and message.is_numbered else None,
                message.topic,
                message.reason_text,
                message.received_ms,
                message.payload if is_kept else None,
            )
        )
    insert_rows(connection, rejected, REJECTED_COLUMNS, rows)


def _count_payloads(connection: Connection, device_keys: set[int | None]) -> dict[int | None, int]:
    """How many payloads are kept of each device; None: of all topics whose device has no valid name."""
    is_one_of_them = [rejected.c.device.in_([key for key in device_keys if key is not None])]
    if None in device_keys:
        is_one_of_them.append(rejected.c.device.is_(None))
    query = select(rejected.c.device, func.count().label("payloads"))
    query = query.where(rejected.c.payload.is_not(None), or_(*is_one_of_them)).group_by(rejected.c.device)
    return dict.fromkeys(device_keys, 0) | {row.device: row.payloads for row in connection.execute(query)}

"""Heeds erasures: what was erased for a device and a time is never stored again."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection, and_, delete, select, update

from mien.broker.database.encoding import to_epoch_ms
from mien.broker.database.schema import device, device_state, erasure, outbox, outbox_counter
from mien.messages.acknowledgement import ERASED
from mien.messages.codec import MessageDecoder
from mien.messages.observation import Observation

from .message import IncomingMessage

Span = tuple[int, int]
"""Milliseconds since 1970; the end is not included."""
OutboxName = tuple[str, bytes]
"""Device and outbox."""

_decoder = MessageDecoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class Claim:
    """What a message that may not be valid says about itself; None if that is unreadable."""

    device: str | None = None
    at_ms: int | None = None


def reject_erased(connection: Connection, messages: Sequence[IncomingMessage]) -> list[IncomingMessage]:
    """The same new messages, those as rejected whose device and time were erased.

    The time of a row whose clock was not synchronized means little: it is kept all the same if its device numbered it
    after the erasure, which is certain from the next number in the outbox's first health report since then. Whatever is
    not an observation is judged by the time in it or, if that is unreadable, by when it was received.
    """
    if not messages or connection.exec_driver_sql("SELECT 1 FROM erasure LIMIT 1").first() is None:
        return list(messages)
    spans = _select_spans(connection, {name for message in messages for name in _device_names(message)})
    erased = {id(message) for message in messages if spans and _is_in(spans, message)}
    unsynced = [message for message in messages if id(message) in erased and _is_unsynced(message)]
    if unsynced:
        erased -= _numbered_later(connection, unsynced)
    return [_reject(message) if id(message) in erased else message for message in messages]


def read_claim(payload: bytes) -> Claim:
    """Device and time in a message, as far as they are readable; a time without an offset is taken as UTC."""
    try:
        fields = _decoder.decode(payload)
    except msgspec.DecodeError:
        return Claim()
    name, at = fields.get("device"), fields.get("at")
    try:
        time = datetime.fromisoformat(at) if isinstance(at, str) else None
        at_ms = to_epoch_ms(time if time.tzinfo else time.replace(tzinfo=UTC)) if time else None
    except (ValueError, OverflowError):
        at_ms = None
    return Claim(name if isinstance(name, str) else None, at_ms)


def find_uncleared(connection: Connection) -> set[str]:
    """The wholly erased devices whose retained messages no collector has cleared yet."""
    query = select(device.c.name).join(erasure, erasure.c.device == device.c.key).where(erasure.c.clear_retained == 1)
    return set(connection.scalars(query))


def mark_cleared(connection: Connection, device_name: str, cleared_ms: Mapping[str, int]) -> None:
    """Record that a device's retained messages are cleared, and delete those that were stored until then.

    `cleared_ms` says when, for the last level of each topic.
    """
    key = connection.execute(select(device.c.key).where(device.c.name == device_name)).scalar_one()
    connection.execute(update(erasure).where(erasure.c.device == key).values(clear_retained=0))
    for topic, until_ms in cleared_ms.items():
        is_cleared = and_(device_state.c.topic == topic, device_state.c.received_ms <= until_ms)
        connection.execute(delete(device_state).where(device_state.c.device == key, is_cleared))


def _device_names(message: IncomingMessage) -> Iterable[str]:
    """The device that sent a message, and the one that it names: after a rename these may differ."""
    yield message.device
    if message.envelope:
        yield message.envelope.device


def _select_spans(connection: Connection, names: set[str]) -> dict[str, list[Span]]:
    """The erased spans by device."""
    query = select(device.c.name, erasure.c.start_ms, erasure.c.end_ms).where(device.c.name.in_(names))
    spans: dict[str, list[Span]] = defaultdict(list)
    for name, start_ms, end_ms in connection.execute(query.join(erasure, erasure.c.device == device.c.key)):
        spans[name].append((start_ms, end_ms))
    return dict(spans)


def _is_in(spans: dict[str, list[Span]], message: IncomingMessage) -> bool:
    own_spans = [span for name in _device_names(message) for span in spans.get(name, ())]
    if not own_spans:
        return False
    if isinstance(message.body, Observation):
        time_ms = to_epoch_ms(message.body.at)
    elif message.body is not None:
        return False  # a declared loss says nothing about people, and without it there would be a gap
    else:
        claimed_ms = read_claim(message.payload).at_ms
        time_ms = message.received_ms if claimed_ms is None else claimed_ms
    return any(start_ms <= time_ms < end_ms for start_ms, end_ms in own_spans)


def _is_unsynced(message: IncomingMessage) -> bool:
    return isinstance(message.body, Observation) and message.body.clock == "unsynced"


def _numbered_later(connection: Connection, messages: Sequence[IncomingMessage]) -> set[int]:
    """The identities of those valid messages that their devices numbered after the last erasure."""
    query = (
        select(device.c.name.label("device"), outbox.c.name.label("outbox"), outbox_counter.c.after_erasure_seq)
        .select_from(outbox_counter)
        .join(device, device.c.key == outbox_counter.c.device)
        .join(outbox, outbox.c.key == outbox_counter.c.outbox)
        .where(
            device.c.name.in_({message.device for message in messages}),
            outbox.c.name.in_({message.envelope.outbox.bytes for message in messages if message.envelope}),
            outbox_counter.c.after_erasure_seq.is_not(None),
        )
    )
    first_seq: dict[OutboxName, int] = {
        (row.device, bytes(row.outbox)): row.after_erasure_seq for row in connection.execute(query)
    }
    later: set[int] = set()
    for message in messages:
        if message.envelope:
            seq = first_seq.get((message.device, message.envelope.outbox.bytes))
            if seq is not None and message.envelope.seq >= seq:
                later.add(id(message))
    return later


def _reject(message: IncomingMessage) -> IncomingMessage:
    return replace(message, body=None, reject_reason="erased", reason_text=ERASED)

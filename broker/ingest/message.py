"""A message from the observation topic, decoded as far as possible."""

import hashlib
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec

from mien.messages.dropped import Dropped, decode_dropped
from mien.messages.envelope import Envelope, decode_envelope
from mien.messages.observation import Observation, decode_observation

MAX_AHEAD_H = 24.0
"""More than any mistake in the time zone; an observation further ahead would be the newest of every query for days,
whether or not its device's clock was ever synchronized."""
MAX_REASON = 200
"""Characters: a reason is kept for each rejected message, and sent back to its device."""

RejectReason = Literal["envelope", "body", "device", "clock", "database", "id", "erased"]
"""envelope: unreadable, so it cannot be acknowledged. body: invalid. device: sent under another device's name.
clock: days ahead. database: the database does not accept it. id: known from another device. erased: of a device and a
time that were erased."""

MessageKey = tuple[str, UUID]
"""The device in the topic and the id: messages that have both in common are the same message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """One message: an observation or a declared loss, or the reason why it is neither."""

    topic: str
    payload: bytes
    received_ms: int
    device: str
    """From the topic, which the MQTT broker's ACL protects."""
    envelope: Envelope | None
    """What an acknowledgement needs; None if unreadable."""
    body: Observation | Dropped | None
    reject_reason: RejectReason | None = None
    """Why there is no body."""
    reason_text: str = ""
    """A description of it, for people."""

    @property
    def id(self) -> UUID | None:
        """The message's id, if readable."""
        return self.envelope.id if self.envelope else None

    @property
    def key(self) -> MessageKey | None:
        """What all copies of the message have in common; None if it has no readable id."""
        return (self.device, self.envelope.id) if self.envelope else None

    @property
    def identity(self) -> bytes:
        """32 bytes that all copies of a message have in common, and no other message of any device."""
        content = self.envelope.id.bytes if self.envelope else hashlib.sha256(self.payload).digest()
        return hashlib.sha256(self.device.encode("utf-8", "surrogatepass") + b"\0" + content).digest()

    @property
    def is_numbered(self) -> bool:
        """Whether the topic's device numbered it: a number of another device means nothing."""
        return self.envelope is not None and self.envelope.device == self.device


def decode_message(*, topic: str, payload: bytes, received_ms: int, device: str) -> IncomingMessage:
    """Decode a message. Never raises: a message that cannot be decoded has a `reject_reason`."""
    envelope: Envelope | None = None
    body: Observation | Dropped | None = None
    reject_reason: RejectReason | None = None
    reason_text = ""
    try:
        envelope = body = decode_observation(payload)  # nearly all are valid, and contain their envelope
    except msgspec.DecodeError as observation_error:
        reject_reason, reason_text = "envelope", str(observation_error)
        try:
            envelope = decode_envelope(payload)
            reject_reason = "body"
            if envelope.kind == "dropped":
                body = decode_dropped(payload)
        except msgspec.DecodeError as error:
            reason_text = str(error)
    if envelope and envelope.device != device:
        # Acknowledged on the topic's device, which sent it: it may have been renamed.
        reject_reason, body = "device", None
        reason_text = f"device {envelope.device} on the topic of {device}"
    if isinstance(body, Observation):
        ahead_h = (body.at.timestamp() - received_ms / 1000) / 3600
        if ahead_h > MAX_AHEAD_H:
            reject_reason, body = "clock", None
            reason_text = f"at is {ahead_h:.0f} hours ahead of the collector's clock"
    return IncomingMessage(
        topic=to_printable(topic),
        payload=payload,
        received_ms=received_ms,
        device=device,
        envelope=envelope,
        body=body,
        reject_reason=None if body else reject_reason,
        reason_text="" if body else to_printable(reason_text),
    )


def to_printable(text: str) -> str:
    """Text that may quote what a device sent, made safe for every database and terminal, and cut to MAX_REASON."""
    text = text[:MAX_REASON]
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)

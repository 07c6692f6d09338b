"""What came in on the observation topic, decoded as far as it can be."""

import hashlib
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec

from mien.dropped import Dropped, decode_dropped
from mien.envelope import Envelope, decode_envelope
from mien.observation import Observation, decode_observation

LONGEST_AHEAD_H = 24.0
"""No time zone mistake is larger; what is, would stand at the end of every answer for days."""
LONGEST_REASON = 500

Flaw = Literal["envelope", "body", "device", "clock", "database"]
"""envelope: nobody can be answered. body: breaks the contract. device: speaks for another. clock: days ahead. database:
the database does not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message: an observation or a declared loss, or the reason why it is neither."""

    topic: str
    payload: bytes
    received_ms: int
    device: str
    """From the topic, which the broker's permissions guard."""
    envelope: Envelope | None
    """What is needed to answer; None if not even that can be read."""
    body: Observation | Dropped | None
    flaw: Flaw | None = None
    """What kind of thing is wrong where there is no body."""
    reason: str = ""
    """The same in words."""

    @property
    def id(self) -> UUID | None:
        """The message's id, if it can be read."""
        return self.envelope.id if self.envelope else None

    @property
    def sha256(self) -> bytes:
        """What tells messages without an id apart."""
        return hashlib.sha256(self.payload).digest()


def decode_arrival(*, topic: str, payload: bytes, received_ms: int, device: str) -> Arrival:
    """Decode a message. Never raises: whatever cannot be read says why."""
    envelope: Envelope | None = None
    body: Observation | Dropped | None = None
    flaw: Flaw | None = None
    reason = ""
    try:
        envelope = body = decode_observation(payload)  # nearly all are good, and their envelope is in them
    except msgspec.DecodeError as error:
        flaw, reason = "envelope", str(error)
        try:
            envelope = decode_envelope(payload)
            flaw = "body"
            if envelope.kind == "dropped":
                body = decode_dropped(payload)
        except msgspec.DecodeError as other:
            reason = str(other)
    if envelope and envelope.device != device:
        # Answered on the topic's device, which sent it: a device that was renamed, say.
        flaw, reason, body = "device", f"device {envelope.device} on the topic of {device}", None
    if isinstance(body, Observation) and body.clock == "synced":
        ahead_h = (body.at.timestamp() - received_ms / 1000) / 3600
        if ahead_h > LONGEST_AHEAD_H:
            flaw, reason, body = "clock", f"at is {ahead_h:.0f} hours ahead though the clock is synced", None
    return Arrival(
        topic=storable(topic),
        payload=payload,
        received_ms=received_ms,
        device=device,
        envelope=envelope,
        body=body,
        flaw=None if body else flaw,
        reason="" if body else storable(reason),
    )


def storable(reason: str) -> str:
    """Words that may quote what a device sent, as every database takes and every terminal shows them."""
    return "".join(letter if letter.isprintable() else "?" for letter in reason[:LONGEST_REASON])

"""What came in on the observation topic, decoded as far as it can be."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

import msgspec

from mien.observation import Envelope, Observation, decode_envelope, decode_observation

LONGEST_AHEAD_H = 24.0
"""No time zone mistake is larger; what is, would stand at the end of every answer for days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message: an observation, or the reason why it is none."""

    topic: str
    payload: bytes
    received_ms: int
    device: str
    """From the topic, which the broker's permissions guard."""
    envelope: Envelope | None
    """What is needed to answer; None if not even that can be read."""
    observation: Observation | None
    reason: str = ""
    """Why there is no observation."""

    @property
    def id(self) -> UUID | None:
        """The message's id, if it can be read."""
        return self.envelope.id if self.envelope else None

    @property
    def sha256(self) -> bytes:
        """What tells messages without an id apart."""
        return hashlib.sha256(self.payload).digest()


def decode_arrival(*, topic: str, payload: bytes, received_ms: int, device: str) -> Arrival:
    """Decode the envelope, then the body. Never raises: whatever cannot be read says why."""
    envelope: Envelope | None = None
    observation: Observation | None = None
    reason = ""
    try:
        envelope = decode_envelope(payload)
        if envelope.device != device:
            # Answered on the topic's device, which sent it: a device that was renamed, say.
            reason = f"device {envelope.device} on the topic of {device}"
        else:
            observation = decode_observation(payload)
            ahead_h = (observation.at.timestamp() - received_ms / 1000) / 3600
            if observation.clock == "synced" and ahead_h > LONGEST_AHEAD_H:
                reason, observation = f"at is {ahead_h:.0f} hours ahead though the clock is synced", None
    except msgspec.DecodeError as error:
        reason = str(error)
    return Arrival(
        topic=topic,
        payload=payload,
        received_ms=received_ms,
        device=device,
        envelope=envelope,
        observation=observation,
        reason=reason,
    )

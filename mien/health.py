"""How a device is doing: retained, once a minute."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from mien.envelope import Sequence
from mien.wire import Decoder

HEALTH = "health"
"""The last level of its topic."""

Count = Annotated[int, Meta(ge=0, le=2**53)]


class OutboxHealth(Struct, frozen=True, kw_only=True):
    """What waits on the device, and which numbers a collector should have."""

    id: UUID
    first_seq: Sequence
    """Where this outbox began to count."""
    oldest_seq: Sequence
    """The lowest number without an answer; `next_seq` where all are answered."""
    next_seq: Sequence
    """What the next observation gets."""
    waiting: Count
    """Rows without an answer."""
    oldest_age_s: Annotated[float, Meta(ge=0.0)] | None
    """How long the oldest of them has waited; None if none does, or since an earlier start of the machine."""
    refused: Count
    """Rows that a collector can never store, kept with the reason."""
    dropped: Count
    """Rows deleted because the outbox was full, since the agent started."""
    not_kept: Count
    """Observations that could not be written to the disk, since the agent started."""
    continues: UUID | None = None
    """The outbox of another machine whose waiting rows this one took over, with their numbers, under its own name."""
    set_aside: Count
    """Damaged outbox files that were put aside, since the agent started."""


class Health(Struct, frozen=True, kw_only=True):
    """On `<root>/<device>/health`."""

    outbox: OutboxHealth


_encoder = msgspec.json.Encoder()
_decoder = Decoder(Health)


def encode(health: Health) -> bytes:
    """The wire form of a device's health."""
    return _encoder.encode(health)


def decode_health(payload: bytes) -> Health:
    """A device's health from its wire form; msgspec.DecodeError if it is none."""
    return _decoder.decode(payload)

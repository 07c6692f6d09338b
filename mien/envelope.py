"""What every message on the observation topic begins with: enough to answer for it before its body is read."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from mien.names import DeviceName
from mien.wire import Decoder

SCHEMA: Literal[1] = 1
"""The version of the wire form. Fields may be added within a version; a change of meaning raises it."""

Sequence = Annotated[int, Meta(ge=1, le=2**53)]
"""A message's place in its outbox; up to what JSON readers keep exactly, far below what databases overflow at."""


class Envelope(Struct, frozen=True, kw_only=True):
    """What can be read of any message on the observation topic before its body."""

    schema: Literal[1] = SCHEMA
    kind: Literal["observation", "dropped"]
    id: UUID
    """A version 7 UUID; duplicates are decided by it alone."""
    device: DeviceName
    outbox: UUID
    """The outbox file that `seq` counts in."""
    seq: Sequence
    """Gap-free within an outbox."""


_decoder = Decoder(Envelope)


def decode_envelope(payload: bytes) -> Envelope:
    """The envelope of a message on the observation topic; unknown fields are ignored.

    msgspec.DecodeError where there is none.
    """
    return _decoder.decode(payload)

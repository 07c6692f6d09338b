"""The fields that all messages on the observation topic share: enough to acknowledge one whose body is invalid."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from mien.device_name import DeviceName
from mien.messages.codec import MessageDecoder

SCHEMA: Literal[1] = 1
"""Version of the message format. Fields may be added within a version; a change of meaning needs a new version."""

SequenceNumber = Annotated[int, Meta(ge=1, le=2**53)]
"""A message's position in its outbox. JSON parsers that read numbers as doubles represent all integers up to the limit
exactly; databases have integers of a far larger range."""


class Envelope(Struct, frozen=True, kw_only=True):
    """The shared fields of every message on the observation topic."""

    schema: Literal[1] = SCHEMA
    kind: Literal["observation", "dropped"]
    id: UUID
    """A version 7 UUID; it alone decides what is a duplicate."""
    device: DeviceName
    outbox: UUID
    """The outbox that assigned `seq`."""
    seq: SequenceNumber
    """Consecutive within an outbox, without gaps."""


_decoder = MessageDecoder(Envelope)


def decode_envelope(payload: bytes) -> Envelope:
    """The envelope of a message on the observation topic, whatever its body; msgspec.DecodeError if it is invalid."""
    return _decoder.decode(payload)

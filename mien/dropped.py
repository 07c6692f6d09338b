"""What a device tells the collector about observations that it had no more room for."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mien.envelope import Envelope, Sequence
from mien.wire import Decoder


class Dropped(Envelope, frozen=True, kw_only=True):
    """A declared loss: some observations were deleted from the outbox before a collector answered.

    Counted are only those from `first` to `last` that no collector has stored or rejected after all.
    """

    kind: Literal["dropped"] = "dropped"
    first: Sequence
    last: Sequence
    cause: Literal["full"]
    """full: the outbox had reached its cap."""
    at: Annotated[datetime, Meta(tz=True)]
    """When, by the device's clock; UTC."""

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"first {self.first} is after last {self.last}")


_encoder = msgspec.json.Encoder()
_decoder = Decoder(Dropped)


def encode(dropped: Dropped) -> bytes:
    """The wire form of a declared loss."""
    return _encoder.encode(dropped)


def decode_dropped(payload: bytes) -> Dropped:
    """A declared loss from its wire form; msgspec.DecodeError where it breaks the contract."""
    return _decoder.decode(payload)

"""A declared loss: a device's report of observations that it deleted because its outbox was full."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from mien.messages.codec import MessageCodec
from mien.messages.envelope import Envelope, SequenceNumber


class Dropped(Envelope, frozen=True, kw_only=True):
    """A declared loss: a range of observations that were deleted from the outbox before a collector acknowledged them.

    Only those from `first` to `last` that no collector stored or rejected after all count as lost.
    """

    kind: Literal["dropped"] = "dropped"
    first: SequenceNumber
    last: SequenceNumber
    cause: Literal["full"]
    """full: the outbox had reached its size limit."""
    at: Annotated[datetime, Meta(tz=True)]
    """When they were deleted, by the device's clock; UTC."""

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"first {self.first} is after last {self.last}")


_codec = MessageCodec(Dropped)
encode_dropped = _codec.encode
decode_dropped = _codec.decode

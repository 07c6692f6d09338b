"""The acknowledgement that a collector sends once observations are committed."""

from uuid import UUID

from msgspec import Struct

from mien.messages.codec import MessageCodec
from mien.messages.envelope import SequenceNumber


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """Which observations of one outbox were stored or rejected; all were in the committed batch, new or duplicate."""

    outbox: UUID
    stored: list[tuple[SequenceNumber, SequenceNumber]] = []
    """Ranges of `seq` that are in the log, first and last included; a range covers only numbers of the batch."""
    rejected: list[tuple[SequenceNumber, str]] = []
    """`seq` and reason of each observation that can never be stored; sending it again changes nothing."""


_codec = MessageCodec(Acknowledgement)
encode_acknowledgement = _codec.encode
decode_acknowledgement = _codec.decode

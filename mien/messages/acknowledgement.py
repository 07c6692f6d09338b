"""The acknowledgement that a collector sends once observations are committed."""

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from mien.messages.codec import MessageCodec
from mien.messages.envelope import SequenceNumber

ERASED = "erased"
"""The reason, exactly, why an observation of an erased device and time is rejected: the device then deletes it too."""


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """Which observations of one outbox were stored or rejected; all were in the committed batch, new or duplicate."""

    outbox: UUID
    stored: list[tuple[SequenceNumber, SequenceNumber]] = []
    """Ranges of `seq` that are in the log, first and last included; a range covers only numbers of the batch."""
    rejected: list[tuple[SequenceNumber, Annotated[str, Meta(max_length=1000)]]] = []
    """`seq` and reason of each observation that can never be stored; sending it again changes nothing."""


_codec = MessageCodec(Acknowledgement)
encode_acknowledgement = _codec.encode
decode_acknowledgement = _codec.decode


def encode_acknowledgements(acknowledgement: Acknowledgement, max_bytes: int) -> Iterator[bytes]:
    """The JSON form, split into as many messages of at most `max_bytes` as needed; a long reason is cut.

    A single range or reject with an empty reason needs about a hundred bytes, and is never smaller.
    """
    payload = encode_acknowledgement(acknowledgement)
    if len(payload) <= max_bytes:
        yield payload
        return
    stored, rejected = acknowledgement.stored, acknowledgement.rejected
    if len(stored) + len(rejected) > 1:
        split_stored, split_rejected = (len(stored) + 1) // 2, len(rejected) // 2
        first_half = stored[:split_stored], rejected[:split_rejected]
        second_half = stored[split_stored:], rejected[split_rejected:]
        for half_stored, half_rejected in (first_half, second_half):
            smaller = Acknowledgement(outbox=acknowledgement.outbox, stored=half_stored, rejected=half_rejected)
            yield from encode_acknowledgements(smaller, max_bytes)
    elif rejected and rejected[0][1]:
        ((seq, reason),) = rejected
        shorter = msgspec.structs.replace(acknowledgement, rejected=[(seq, reason[: len(reason) // 2])])
        yield from encode_acknowledgements(shorter, max_bytes)
    else:
        yield payload

"""What a collector answers once observations are committed."""

from collections.abc import Iterable
from uuid import UUID

import msgspec
from msgspec import Struct

from mien.envelope import Sequence
from mien.wire import Decoder


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """Which observations of one outbox are settled; each listed number was in the committed batch, new or again."""

    outbox: UUID
    stored: list[tuple[Sequence, Sequence]] = []
    """First and last `seq` of each unbroken run that is in the log; a range never bridges a number not in the batch."""
    rejected: list[tuple[Sequence, str]] = []
    """`seq` and reason of each that can never be stored; sending it again changes nothing."""


def ranges(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """The unbroken runs in a set of numbers, ascending: {1, 2, 3, 7} gives [(1, 3), (7, 7)]."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(sequences)):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


_encoder = msgspec.json.Encoder()
_decoder = Decoder(Acknowledgement)


def encode(acknowledgement: Acknowledgement) -> bytes:
    """The wire form of an acknowledgement."""
    return _encoder.encode(acknowledgement)


def decode(payload: bytes) -> Acknowledgement:
    """An acknowledgement from its wire form; msgspec.DecodeError if it is none."""
    return _decoder.decode(payload)

"""Whether something moves before a device: retained, on `<root>/<device>/motion`."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from mien.wire import Decoder

MOTION = "motion"
"""The last level of its topic."""


class MotionState(Struct, frozen=True, kw_only=True):
    """What a device's sensor says."""

    state: Literal["on", "off"]
    since: datetime
    """UTC, by the device's clock."""


_encoder = msgspec.json.Encoder()
_decoder = Decoder(MotionState)


def encode(state: MotionState) -> bytes:
    """The wire form of a motion state."""
    return _encoder.encode(state)


def decode_motion(payload: bytes) -> MotionState:
    """A motion state from its wire form; msgspec.DecodeError if it is none."""
    return _decoder.decode(payload)

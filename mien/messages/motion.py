"""A device's motion state: retained, on `<base_topic>/<device>/motion`."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from mien.messages.codec import MessageCodec


class MotionState(Struct, frozen=True, kw_only=True):
    """Whether a device's sensor detects motion."""

    state: Literal["on", "off"]
    since: Annotated[datetime, Meta(tz=True)]
    """UTC, by the device's clock."""


_codec = MessageCodec(MotionState)
encode_motion = _codec.encode
decode_motion = _codec.decode

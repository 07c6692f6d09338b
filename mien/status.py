"""How devices and collectors say that they are there: retained, with a last will."""

from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from mien.wire import Decoder


class DeviceStatus(Struct, frozen=True, kw_only=True):
    """On `<root>/<device>/status`."""

    state: Literal["online", "stopped", "offline"]
    """stopped after a clean exit; offline is the last will."""
    agent: str
    """The agent's version."""
    model: str
    """First 12 hexadecimal digits of the SHA-256 of the model's weights."""


class CollectorStatus(Struct, frozen=True, kw_only=True):
    """On `<root>/_collector/<name>/status`. Devices publish while any collector is online."""

    state: Literal["online", "busy", "offline"]
    """busy while the database does not answer; offline after a clean exit and as the last will."""
    instance: UUID
    """New with each start of the collector: devices then send again at once what is unanswered."""


_encoder = msgspec.json.Encoder()
_collector_decoder = Decoder(CollectorStatus)
_device_decoder = Decoder(DeviceStatus)


def encode(status: DeviceStatus | CollectorStatus) -> bytes:
    """The wire form of a status."""
    return _encoder.encode(status)


def decode_collector_status(payload: bytes) -> CollectorStatus:
    """A collector's status from its wire form; msgspec.DecodeError if it is none."""
    return _collector_decoder.decode(payload)


def decode_device_status(payload: bytes) -> DeviceStatus:
    """A device's status from its wire form; msgspec.DecodeError if it is none."""
    return _device_decoder.decode(payload)

"""The status of devices and collectors: retained, with a last will."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from mien.messages.codec import MessageCodec
from mien.messages.text import OptionalModelId, ShortText, Version


class DeviceStatus(Struct, frozen=True, kw_only=True):
    """On `<base_topic>/<device>/status`."""

    state: Literal["online", "stopped", "offline"]
    """stopped: after a clean shutdown. offline: the last will."""
    agent: Version
    """The agent's version."""
    model: OptionalModelId


class CollectorStatus(Struct, frozen=True, kw_only=True):
    """On `<base_topic>/_collector/<name>/status`. Devices publish observations while any collector is online."""

    state: Literal["online", "busy", "offline"]
    """busy: it stores nothing for now. offline: after a clean shutdown, and the last will."""
    reason: ShortText = ""
    """Why it is busy: `database`, which does not respond, or `clock`, which cannot be right."""
    instance: UUID
    """New with each start of the collector: devices then resend at once whatever is unacknowledged."""
    batch: bool = False
    """Whether it accepts batches; a release before them does not."""


_device_codec = MessageCodec(DeviceStatus)
encode_device_status = _device_codec.encode
decode_device_status = _device_codec.decode
_collector_codec = MessageCodec(CollectorStatus)
encode_collector_status = _collector_codec.encode
decode_collector_status = _collector_codec.decode

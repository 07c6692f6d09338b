"""Valid names of devices and collectors."""

import re
from typing import Annotated

from msgspec import Meta

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$(?!\n)"

DeviceName = Annotated[str, Meta(pattern=NAME_PATTERN)]
"""A lower-case name that is safe as an MQTT topic level, a host name and a file name."""


def is_device_name(name: str) -> bool:
    """Whether this is a valid name for a device or collector."""
    return re.match(NAME_PATTERN, name) is not None

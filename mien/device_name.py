"""Valid names of devices and collectors, and how the MQTT broker knows them."""

import re
from typing import Annotated

from msgspec import Meta

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$(?!\n)"

DeviceName = Annotated[str, Meta(pattern=NAME_PATTERN)]
"""A lower-case name that is safe as an MQTT topic level, a host name and a file name."""


def is_device_name(name: str) -> bool:
    """Whether this is a valid name for a device or collector."""
    return re.match(NAME_PATTERN, name) is not None


def agent_client_id(device: str) -> str:
    """MQTT client ID of a device's agent.

    A broker closes a connection when another client takes its ID: no two of these are ever the same, because device
    names do not begin with `_`. A broker that takes the ID from the certificate, as `mien server init` configures it,
    ignores them: there a device's certificate bears the device's name, and a collector's its client ID.
    """
    return f"mien-{device}"


def collector_client_id(collector: str) -> str:
    """MQTT client ID of a collector, and the name in its certificate."""
    return f"_collector-{collector}"


def doctor_client_id(device: str) -> str:
    """MQTT client ID of `mien doctor` for a device."""
    return f"_doctor-{device}"

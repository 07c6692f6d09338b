"""The collector's settings."""

from msgspec import Struct

from mien.mqtt import Mqtt
from mien.names import DeviceName


class CollectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `mien collect`."""

    name: DeviceName = "collector"
    """Name of this collector; each of several needs its own."""
    database: str = "mien.db"
    """SQLite file of the emotion log."""
    mqtt: Mqtt = Mqtt()
    """Connection to the MQTT broker."""

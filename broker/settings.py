"""The collector's settings."""

from typing import Annotated

from msgspec import Meta, Struct

from mien.mqtt import Mqtt
from mien.names import DeviceName


class CollectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `mien collect`."""

    name: DeviceName = "collector"
    """Name of this collector; each of several needs its own."""
    database: str = "mien.db"
    """The emotion log: a SQLite file, or postgresql://USER@HOST/DATABASE, whose password stands in ~/.pgpass."""
    retention_days: Annotated[int, Meta(ge=0, le=36_500)] = 30
    """Observations are deleted so many days after they came; 0 keeps them for ever. Counts by device, emotion and
    quarter of an hour stay."""
    share: bool = False
    """Share the observations with other collectors, each with a name of its own and all on one PostgreSQL database. The
    MQTT broker hands each observation to one of those that share."""
    metrics_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """Offer figures for Prometheus on this port, to programs on this machine only."""
    home_assistant: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]*$(?!\n)")] = "homeassistant"
    """First level of Home Assistant's topics, where devices are made known to it; empty to leave that be."""
    mqtt: Mqtt = Mqtt()
    """Connection to the MQTT broker."""

    def __post_init__(self) -> None:
        if self.share and "://" not in self.database:
            raise ValueError("share needs a database that several collectors can write to: postgresql://HOST/DATABASE")

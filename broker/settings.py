"""The settings of the collector and of the dashboard."""

from typing import Annotated

from msgspec import Meta, Struct

from mien.mqtt import LOOPBACK, Mqtt
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


class DashboardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `mien dashboard`."""

    database: str = "mien.db"
    """The emotion log: a SQLite file, or postgresql://USER@HOST/DATABASE, whose password stands in ~/.pgpass."""
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """Address to listen on: this machine only, unless set. Others need token_file, certificate_file and key_file."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8501
    """0 takes any that is free."""
    token_file: str | None = None
    """File that holds the token that people log in with and programs send, of 16 characters at least."""
    certificate_file: str | None = None
    """Certificate for HTTPS."""
    key_file: str | None = None
    """The certificate's private key, for its owner alone to read."""
    hosts: tuple[str, ...] = ()
    """Names under which a proxy on this machine offers the page; this needs token_file."""
    timezone: str | None = None
    """Time zone of days and hours for those who name none, such as Europe/Berlin; this machine's unless set."""
    limit_s: Annotated[float, Meta(gt=0.0, le=3600.0)] = 10.0
    """A question that takes longer is stopped."""

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: set both or none")
        if self.host not in LOOPBACK and (self.token_file is None or self.certificate_file is None):
            raise ValueError(f"on {self.host} others can reach it: set token_file, certificate_file and key_file")
        if self.hosts and self.token_file is None:
            raise ValueError("hosts are names that others use: set token_file")

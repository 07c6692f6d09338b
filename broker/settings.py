"""The settings of the collector and the dashboard."""

from typing import Annotated

from msgspec import Meta, Struct

from mien.device_name import DeviceName
from mien.mqtt.settings import LOOPBACK, MqttSettings


class CollectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `mien collect`."""

    name: DeviceName = "collector"
    """Name of this collector; if there are several, each needs its own."""
    database: str = "mien.db"
    """The emotion log: a SQLite file, or postgresql://USER@HOST/DATABASE, with its password in ~/.pgpass."""
    retention_days: Annotated[int, Meta(ge=0, le=36_500)] = 30
    """Delete observations this many days after they were received; 0 keeps them forever. The counts by device, emotion
    and quarter of an hour stay."""
    shared_subscription: bool = False
    """Share the work with other collectors, all using the same PostgreSQL database: the MQTT broker sends each
    observation to only one of them."""
    metrics_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """Serve Prometheus metrics on this port, to this machine only; not served unless set."""
    discovery_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]*$(?!\n)")] = "homeassistant"
    """Prefix of the topics on which Home Assistant discovers devices; empty to publish none."""
    mqtt: MqttSettings = MqttSettings()
    """Connection to the MQTT broker."""

    def __post_init__(self) -> None:
        if self.shared_subscription and "://" not in self.database:
            raise ValueError(
                "shared_subscription needs a database that several collectors can write to: use postgresql://HOST/DATABASE"
            )


class DashboardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `mien dashboard`."""

    database: str = "mien.db"
    """The emotion log: a SQLite file, or postgresql://USER@HOST/DATABASE, with its password in ~/.pgpass."""
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """Address to listen on. If other machines can reach it, set token_file, certificate_file and key_file."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8501
    """Port to listen on; 0 picks a free one."""
    token_file: str | None = None
    """File with the token, at least 16 characters, that people log in with and programs send."""
    certificate_file: str | None = None
    """Certificate for HTTPS, in PEM format."""
    key_file: str | None = None
    """The certificate's private key, readable only by its owner."""
    hosts: tuple[str, ...] = ()
    """Host names under which a reverse proxy on this machine serves the dashboard; they require token_file."""
    timezone: str | None = None
    """Default time zone of days and hours, such as Europe/Berlin; this machine's unless set."""
    query_timeout_s: Annotated[float, Meta(gt=0.0, le=3600.0)] = 10.0
    """Queries that take longer are stopped."""

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: set both or none")
        if self.host not in LOOPBACK and (self.token_file is None or self.certificate_file is None):
            raise ValueError(
                f"other machines can reach {self.host}: set token_file, certificate_file and key_file, or use 127.0.0.1"
            )
        if self.hosts and self.token_file is None:
            raise ValueError("hosts makes the dashboard reachable through a proxy: set token_file")

"""The settings of the collector and the dashboard."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mien.broker.predictions.uncertainty import THRESHOLD_PATTERN
from mien.device_name import DeviceName
from mien.mqtt.settings import LOOPBACK, MqttSettings
from mien.network.address import WrittenAddress

SHARED_GROUP_PATTERN = r"^[A-Za-z0-9_-]{16,64}$(?!\n)"


class CollectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `mien collect`."""

    name: DeviceName = "collector"
    """Name of this collector; if there are several, each needs its own."""
    database: str = "mien.db"
    """The emotion log: a SQLite file, or postgresql://USER@HOST/DATABASE, with its password in ~/.pgpass."""
    retention_days: Annotated[int, Meta(ge=0, le=36_500)] = 30
    """Delete observations this many days after they were received; 0 keeps them forever. The counts by device, emotion
    and quarter of an hour stay; see rollup_retention_days."""
    rollup_retention_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """Delete the counts, too, this many days after the observations were made, once those are deleted; kept forever
    unless set."""
    clock: Literal["ntp", "trusted"] = "ntp"
    """ntp: before rows are deleted or rejected by it, this machine's clock must agree with the log, with most devices,
    or with time servers; if it is days behind, nothing is stored. trusted: the clock is always right."""
    shared_subscription: bool = False
    """Share the work with other collectors, all using the same PostgreSQL database: the MQTT broker sends each
    observation to only one of them."""
    shared_group: Annotated[str, Meta(pattern=SHARED_GROUP_PATTERN)] | None = None
    """Name of the group that shares it, the same for all these collectors. It must be secret: the MQTT broker sends a
    share of the observations to any client that joins the group, whatever that client may read."""
    metrics_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """Serve Prometheus metrics on this port, to this machine only; not served unless set."""
    discovery_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]*$(?!\n)")] = "homeassistant"
    """Prefix of the topics on which Home Assistant discovers devices; empty to publish none."""
    mqtt: MqttSettings = MqttSettings()
    """Connection to the MQTT broker."""

    def __post_init__(self) -> None:
        if self.rollup_retention_days is not None and not 0 < self.retention_days <= self.rollup_retention_days:
            kept = f"{self.retention_days} days" if self.retention_days else "forever"
            raise ValueError(
                f"counts cannot be deleted before the observations that they count, which are kept {kept}: "
                "rollup_retention_days must not be shorter than retention_days"
            )
        if self.shared_subscription and "://" not in self.database:
            raise ValueError(
                "shared_subscription needs a database that several collectors can write to: use postgresql://HOST/DATABASE"
            )
        if self.shared_subscription and self.shared_group is None:
            raise ValueError(
                "shared_subscription needs a group that nobody can guess: set shared_group to the same random name "
                "for all collectors, such as the output of `openssl rand -hex 16`"
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
    """Host names under which a reverse proxy on this machine serves the dashboard; they require token_file. It has to
    set X-Forwarded-For, by which the dashboard tells its clients apart."""
    timezone: str | None = None
    """Default time zone of days and hours, such as Europe/Berlin; this machine's unless set."""
    query_timeout_s: Annotated[float, Meta(gt=0.0, le=3600.0)] = 10.0
    """Queries that take longer are stopped."""
    thresholds: tuple[Annotated[str, Meta(pattern=THRESHOLD_PATTERN)], ...] = ()
    """Confidences below which predictions are shown as uncertain, by model, such as "0123456789ab=0.65"; 0 means never.
    The shipped model's is on its model card, unless it is listed here."""

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: set both or none")
        address = WrittenAddress.parse(self.host)
        if surplus := address.surplus():
            raise ValueError(f"host contains {surplus}: set {' and '.join(address.settings())}")
        for name in self.hosts:
            address = WrittenAddress.parse(name)
            if surplus := address.surplus():
                raise ValueError(f'hosts contains {surplus}: set it to names alone, such as "{address.host}"')
        if self.host not in LOOPBACK and (self.token_file is None or self.certificate_file is None):
            raise ValueError(
                f"other machines can reach {self.host}: set token_file, certificate_file and key_file, or use 127.0.0.1"
            )
        if self.hosts and self.token_file is None:
            raise ValueError("hosts makes the dashboard reachable through a proxy: set token_file")

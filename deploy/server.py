"""The server's folder: everything that an MQTT broker and a collector need, and the identities of the devices.

authority/   ca.crt, ca.key, revoked.txt: who belongs here, and who no more; no program that runs needs it
broker/      mosquitto.conf, permissions, ca.crt, revoked.crl, server.crt, server.key, data/
collector/   collector.toml, postgresql.toml, ca.crt, collector.crt, collector.key, data/
dashboard/   dashboard.toml, postgresql.toml, token, server.crt, server.key
database/    password, pgpass, server.crt, server.key, reader/: for PostgreSQL, if it is used
grafana/     password, data/, and what to provision for each store: for Grafana, if it is used
devices/     a folder for each: agent.toml, ca.crt, device.crt, device.key: what goes onto it
systemd/     units; compose.yaml, .env, Dockerfile, wheels/: the same in containers
notice.html  to print, for the people in view
server.toml  what this folder was made for
"""

import ipaddress
import os
import pwd
import re
import secrets
import shutil
import signal
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509
from msgspec import Struct

from mien.errors import ConfigurationError, UsageError
from mien.names import is_device_name
from mien.topics import Topics

from .authority import Authority, Identity, write_secret
from .configurations import agent_toml, collector_toml, dashboard_toml, mosquitto_conf, server_toml
from .containers import DATABASE_HOST, write_containers, write_database, write_reader
from .grafana import write_grafana
from .permissions import COLLECTOR, permissions
from .units import units

HOME_ASSISTANT = "homeassistant"
LABEL = re.compile("[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
LONGEST_HOST = 253
"""RFC 1035, without the last dot."""
PLAIN = re.compile(r"[A-Za-z0-9._/-]+")


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a folder was made for: its server.toml."""

    hosts: list[str]
    """Names and addresses by which devices reach the broker; they use the first."""
    port: int = 8883
    """The broker's port."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that may connect."""

    name: str
    folder: Path
    """What goes onto it."""
    until: str
    """The day on which its certificate ends."""


class ServerFolder:
    """One server's folder."""

    def __init__(self, path: Path) -> None:
        """Open it. ConfigurationError if it is none."""
        self.path = path.resolve()
        try:
            self.server = msgspec.convert(tomllib.loads((self.path / "server.toml").read_text()), Server)
        except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            cure = "make one with `mien server init`, or name it with --server"
            raise ConfigurationError(f"{path} is no server's folder ({error}): {cure}") from error
        self._authority = Authority(self.path / "authority")

    @classmethod
    def made(cls, path: Path, hosts: Sequence[str], port: int, told: str = "") -> "ServerFolder":
        """Make a new one, with a notice for the people in view. UsageError if there is something already."""
        path = path.resolve()
        for host in hosts:
            _check_host(host)
        user = pwd.getpwuid(os.getuid()).pw_name
        if not PLAIN.fullmatch(str(path)):
            raise UsageError(f"{path}: systemd and mosquitto want a path of letters, digits and . _ - alone")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} is not empty: name a new folder, or use the server in it as it is")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = Authority.found(path / "authority", hosts[0])
        for folder in ("broker", "broker/data", "collector", "collector/data", "dashboard", "devices", "systemd"):
            (path / folder).mkdir(mode=0o700)
        for folder in ("broker", "collector"):
            (path / folder / "ca.crt").write_bytes(authority.certificate)
        _keep(authority.server(hosts), path / "broker" / "server")
        _keep(authority.client(COLLECTOR), path / "collector" / "collector")
        (path / "broker" / "mosquitto.conf").write_text(mosquitto_conf(path, port, user))
        (path / "collector" / "collector.toml").write_text(collector_toml(path, hosts[0], port))
        _keep(authority.server(hosts), path / "dashboard" / "server")
        (path / "dashboard" / "dashboard.toml").write_text(dashboard_toml(path, f"{path}/collector/data/mien.db"))
        write_secret(path / "dashboard" / "token", f"{secrets.token_urlsafe(32)}\n".encode())
        (path / "authority" / "revoked.txt").touch()
        for name, unit in units(path, user).items():
            (path / "systemd" / name).write_text(unit)
        write_database(path, authority)
        write_reader(path)
        write_grafana(path, DATABASE_HOST)
        write_containers(path, hosts[0], port)
        (path / "notice.html").write_text(told)
        (path / "server.toml").write_text(server_toml(hosts, port))
        made = cls(path)
        made.write_permissions()
        return made

    def devices(self) -> list[Device]:
        """Those that may connect, by name."""
        return [
            Device(folder.name, folder, f"{_certificate(folder / 'device.crt').not_valid_after_utc:%Y-%m-%d}")
            for folder in sorted((self.path / "devices").iterdir())
            if (folder / "device.crt").exists()
        ]

    def device(self, name: str) -> Device:
        """One of them. UsageError if there is no such device."""
        for device in self.devices():
            if device.name == name:
                return device
        raise UsageError(f"there is no device {name!r}: issue it with `mien device add`, or see `mien device list`")

    def add(self, name: str) -> Device:
        """Issue a device's identity. UsageError if the name is none, or taken."""
        if not is_device_name(name):
            raise UsageError(f"{name!r} is no device name: lower-case letters, digits and hyphens, at most 32")
        if name in {device.name for device in self.devices()}:
            raise UsageError(f"there is a device {name} already: revoke it first, or choose another name")
        if self._revoked_under_the_broker(name):
            cure = "restart it first, or choose another name"
            raise UsageError(f"the broker may hold a connection of the {name} that was revoked: {cure}")
        folder = self.path / "devices" / name
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "ca.crt").write_bytes(self._authority.certificate)
        (folder / "agent.toml").write_text(agent_toml(name, self.server.hosts[0], self.server.port))
        _keep(self._authority.client(name), folder / "device")
        self.write_permissions()
        return self.device(name)

    def revoke(self, name: str) -> None:
        """Take a device's permissions and its certificate away. UsageError if there is no such device."""
        folder = self.device(name).folder
        serial = _certificate(folder / "device.crt").serial_number
        with (self.path / "authority" / "revoked.txt").open("a") as revoked:
            revoked.write(f"{serial} {name}\n")
        self.write_permissions(without=name)  # before the folder: whatever is cut short, its rights are gone
        shutil.rmtree(folder)

    def write_permissions(self, *, without: str = "") -> None:
        """Write what each client may do, and who may no more; a running broker reads the first at once."""
        names = [device.name for device in self.devices() if device.name != without]
        _replace(self.path / "broker" / "permissions", permissions(names, Topics(), HOME_ASSISTANT).encode())
        revoked = (self.path / "authority" / "revoked.txt").read_text().splitlines()
        serials = sorted({int(line.split()[0]) for line in revoked if line.strip()})
        _replace(self.path / "broker" / "revoked.crl", self._authority.revocations(serials))
        self._signal()

    def _revoked_under_the_broker(self, name: str) -> bool:
        """Whether this name was revoked since the broker's start: it knows a connection by its name alone."""
        revoked = self.path / "authority" / "revoked.txt"
        if self.running is None or name not in {line.split()[-1] for line in revoked.read_text().splitlines() if line}:
            return False
        return revoked.stat().st_mtime >= (self.path / "broker" / "mosquitto.pid").stat().st_mtime

    @property
    def running(self) -> int | None:
        """The broker's process, if one of this folder runs on this machine."""
        with suppress(OSError, ValueError):
            process = int((self.path / "broker" / "mosquitto.pid").read_text())
            if Path(f"/proc/{process}/comm").read_text().strip() == "mosquitto":  # the number may be another's by now
                return process
        return None

    def _signal(self) -> None:
        """mosquitto 2 reads its permissions and its list of revocations again on SIGHUP, and keeps its connections."""
        if (process := self.running) is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGHUP)


def _check_host(host: str) -> None:
    """UsageError if a name is none that certificates and configurations can hold."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return
    if len(host) > LONGEST_HOST or not all(LABEL.fullmatch(label) for label in host.split(".")):
        raise UsageError(f"{host!r} is no host name: letters, digits, hyphens and dots, at most {LONGEST_HOST}")


def _keep(identity: Identity, stem: Path) -> None:
    write_secret(stem.with_suffix(".key"), identity.key)
    stem.with_suffix(".crt").write_bytes(identity.certificate)  # by which an identity counts as there


def _certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def _replace(file: Path, content: bytes) -> None:
    """At once or not at all: a broker may read it at any time."""
    beside = file.with_suffix(".new")
    write_secret(beside, content)
    beside.replace(file)

"""The server folder: everything that an MQTT broker and a collector need, and the identities of the devices.

certificate-authority/  ca.crt, ca.key, revoked.txt: issues and revokes certificates; no running program needs it
mosquitto/              mosquitto.conf, acl, ca.crt, revoked.crl, server.crt, server.key, data/
collector/              collector.toml, postgresql.toml, ca.crt, collector.crt, collector.key, data/
collectors/             a folder for each further collector: collector.toml, ca.crt, collector.crt, collector.key
dashboard/              dashboard.toml, postgresql.toml, token, server.crt, server.key
database/               password, pgpass, server.crt, server.key, reader/: for PostgreSQL, if it is used
grafana/                password, data/, and what to provision for each database: for Grafana, if it is used
devices/                a folder for each device with its configuration: agent.toml, ca.crt, device.crt, device.key
systemd/                units; compose.yaml, .env, Dockerfile, wheels/: the same in containers
privacy_notice.html     to print, for the people in view
prometheus-rules.yaml   alerts for Prometheus, which reads the collector's metrics
server.toml             the host names and the port that this folder was made for
"""

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
from importlib.resources import files
from pathlib import Path

import msgspec
from cryptography import x509
from msgspec import Struct

from mien.deploy.config_templates import agent_toml, collector_toml, dashboard_toml, mosquitto_conf, server_toml
from mien.deploy.systemd_units import server_units
from mien.device_name import collector_client_id, is_device_name
from mien.errors import ConfigurationError, UsageError
from mien.files.atomic_file import write_secret
from mien.files.text_file import EncodingError, decode_text
from mien.messages.topics import Topics
from mien.network.address import MAX_HOST_LENGTH, is_ip_address

from .certificate_authority import CertificateAuthority
from .compose import DATABASE_HOST, database_url, write_compose, write_database, write_reader
from .grafana import write_grafana
from .mosquitto_acl import mosquitto_acl

HOME_ASSISTANT = "homeassistant"
HOST_LABEL = re.compile("[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""RFC 1035, without the final dot."""
PLAIN_PATH = re.compile(r"[A-Za-z0-9._/-]+")
FIRST_COLLECTOR = "collector"
INSTALLED = "installed"
"""The file in a server folder that `mien server install` copied: it names the folder that is used instead."""
RESERVED_NAMES = re.compile("collector(-.*)?|.*-doctor")
"""On an MQTT broker that accepts the client ID that a client asks for, agents of these names and the collectors or
doctors of an earlier release throw each other out."""
FOLDERS = (
    *("mosquitto", "mosquitto/data", "collector", "collector/data", "collectors"),
    *("dashboard", "devices", "systemd"),
)


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a folder was made for: its server.toml."""

    hosts: list[str]
    """Host names and addresses by which devices can reach the MQTT broker; they use the first."""
    port: int = 8883
    """The MQTT broker's port."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that may connect."""

    name: str
    folder: Path
    """Its configuration, as it is installed on the device."""
    expires_on: str
    """The date on which its certificate expires."""


class ServerFolder:
    """One server folder."""

    def __init__(self, path: Path) -> None:
        """Open it. ConfigurationError if the folder is not a server folder."""
        self.path = path.resolve()
        if (target := installed_as(self.path)) not in (None, self.path):
            raise ConfigurationError(f"{path} was installed as {target}: use --server {target}, and delete {path}")
        try:
            self.server = msgspec.convert(tomllib.loads(decode_text((self.path / "server.toml").read_bytes())), Server)
        except (OSError, EncodingError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            hint = "create one with `mien server init`, or name it with --server"
            if isinstance(error, PermissionError):
                hint = "run the command with sudo"
            raise ConfigurationError(f"{path} is not a server folder ({error}): {hint}") from error
        self._authority = CertificateAuthority(self.path / "certificate-authority")

    @classmethod
    def create(cls, path: Path, hosts: Sequence[str], port: int, privacy_notice: str = "") -> "ServerFolder":
        """Create a new one. UsageError if a host name is not valid or the folder is not empty."""
        for host in hosts:
            check_host(host)
        path = check_new_folder(path)
        user = pwd.getpwuid(os.getuid()).pw_name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = CertificateAuthority.create(path / "certificate-authority", hosts[0])
        (path / "certificate-authority" / "revoked.txt").touch()
        for name in FOLDERS:
            (path / name).mkdir(mode=0o700)
        for name in ("mosquitto", "collector"):
            (path / name / "ca.crt").write_bytes(authority.certificate)
        authority.issue_server(hosts).write(path / "mosquitto" / "server")
        authority.issue_client(collector_client_id(FIRST_COLLECTOR)).write(path / "collector" / "collector")
        authority.issue_server(hosts).write(path / "dashboard" / "server")
        (path / "mosquitto" / "mosquitto.conf").write_text(mosquitto_conf(path, port, user))
        group = secrets.token_hex(16)
        for file, database in (
            ("collector.toml", f"{path}/collector/data/mien.db"),
            ("postgresql.toml", database_url(path, "mien")),
        ):
            settings = collector_toml(
                path / "collector", FIRST_COLLECTOR, database=database, group=group, host=hosts[0], port=port
            )
            write_secret(path / "collector" / file, settings.encode())
        (path / "dashboard" / "dashboard.toml").write_text(dashboard_toml(path, f"{path}/collector/data/mien.db"))
        write_secret(path / "dashboard" / "token", f"{secrets.token_urlsafe(32)}\n".encode())
        for name, unit in server_units(path, user).items():
            (path / "systemd" / name).write_text(unit)
        write_database(path, authority)
        write_reader(path)
        write_grafana(path, DATABASE_HOST)
        write_compose(path, hosts[0], port)
        (path / "privacy_notice.html").write_text(privacy_notice)
        rules = files("mien.deploy.server") / "prometheus-rules.yaml"
        (path / "prometheus-rules.yaml").write_bytes(rules.read_bytes())
        (path / "server.toml").write_text(server_toml(hosts, port))
        folder = cls(path)
        folder.write_access_lists()
        return folder

    def devices(self) -> list[Device]:
        """The devices that may connect, by name."""
        return [
            Device(folder.name, folder, f"{_read_certificate(folder / 'device.crt').not_valid_after_utc:%Y-%m-%d}")
            for folder in sorted((self.path / "devices").iterdir())
            if (folder / "device.crt").exists()
        ]

    def device(self, name: str) -> Device:
        """The device with this name. UsageError if it does not exist."""
        for device in self.devices():
            if device.name == name:
                return device
        raise UsageError(f"there is no device {name!r}: add it with `mien device add`, or see `mien device list`")

    def collectors(self) -> list[str]:
        """The names of the collectors that may connect."""
        further = sorted((self.path / "collectors").iterdir())
        return [FIRST_COLLECTOR, *(folder.name for folder in further if (folder / "collector.crt").exists())]

    def add(self, name: str) -> Device:
        """Issue a device's identity. UsageError if the name is not valid or taken."""
        if not is_device_name(name):
            raise UsageError(f"{name!r} is not a device name: lower-case letters, digits and hyphens, at most 32")
        if RESERVED_NAMES.fullmatch(name):
            raise UsageError(f"{name} is reserved for mien's own programs: choose another name")
        if name in {device.name for device in self.devices()}:
            raise UsageError(f"there is a device {name} already: revoke it first, or choose another name")
        if self._revoked_since_start(name):
            hint = "restart it first, or choose another name"
            raise UsageError(f"the MQTT broker may still be connected to the {name} that was revoked: {hint}")
        folder = self.path / "devices" / name
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "ca.crt").write_bytes(self._authority.certificate)
        (folder / "agent.toml").write_text(agent_toml(name, self.server.hosts[0], self.server.port))
        self._authority.issue_client(name).write(folder / "device")
        self.write_access_lists()
        return self.device(name)

    def revoke(self, name: str) -> None:
        """Revoke a device's permissions and its certificate, not its connection: `revocation.revoke_device` does.

        UsageError if it does not exist.
        """
        folder = self.device(name).folder
        serial = _read_certificate(folder / "device.crt").serial_number
        with self._revoked_file.open("a") as revoked:
            revoked.write(f"{serial} {name}\n")
        self.write_access_lists(exclude=name)  # before the folder is deleted: an interruption leaves no permissions
        shutil.rmtree(folder)

    def record_end_of_session(self, name: str) -> None:
        """Note that a revoked device is not connected any more: its name can be given again."""
        lines = self._revoked_file.read_text().splitlines()
        lines = [f"{line} ended" if line.split()[1:] == [name] else line for line in lines]
        write_secret(self._revoked_file, "".join(f"{line}\n" for line in lines).encode())

    def write_access_lists(self, *, exclude: str = "") -> None:
        """Write the ACL and the certificate revocation list; a running MQTT broker applies the ACL at once."""
        names = [device.name for device in self.devices() if device.name != exclude]
        # Atomically, because mosquitto may read them at any time.
        acl = mosquitto_acl(names, self.collectors(), Topics(), HOME_ASSISTANT)
        write_secret(self.path / "mosquitto" / "acl", acl.encode())
        serials = sorted({serial for serial, *_ in self._revoked()})
        write_secret(self.path / "mosquitto" / "revoked.crl", self._authority.revocation_list(serials))
        self._reload_mosquitto()

    @property
    def mosquitto_pid(self) -> int | None:
        """Process ID of the MQTT broker, if one runs on this machine with this folder."""
        with suppress(OSError, ValueError):
            pid = int((self.path / "mosquitto" / "mosquitto.pid").read_text())
            if Path(f"/proc/{pid}/comm").read_text().strip() == "mosquitto":  # the PID may have been reused
                return pid
        return None

    @property
    def _revoked_file(self) -> Path:
        return self.path / "certificate-authority" / "revoked.txt"

    def _revoked(self) -> list[tuple[int, str, bool]]:
        """Of each revoked certificate: serial number, device name, and whether it is known not to be connected."""
        lines = [line.split() for line in self._revoked_file.read_text().splitlines() if line.strip()]
        return [(int(serial), name, state == ["ended"]) for serial, name, *state in lines]

    def _revoked_since_start(self, name: str) -> bool:
        """Whether this name was revoked since mosquitto's start, which knows an open connection by its name only."""
        if self.mosquitto_pid is None or all(is_ended for _, revoked, is_ended in self._revoked() if revoked == name):
            return False
        started_s = (self.path / "mosquitto" / "mosquitto.pid").stat().st_mtime
        return self._revoked_file.stat().st_mtime >= started_s

    def _reload_mosquitto(self) -> None:
        """On SIGHUP mosquitto 2 reloads its ACL and its certificate revocation list, and keeps its connections."""
        if (pid := self.mosquitto_pid) is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGHUP)


def installed_as(folder: Path) -> Path | None:
    """The server folder that is used instead of this one; None if it was not installed, or that one is gone."""
    try:
        target = Path((folder / INSTALLED).read_text().strip())
    except (OSError, ValueError):
        return None
    return target if (target / "server.toml").exists() else None


def check_new_folder(path: Path) -> Path:
    """The absolute path of a folder to be made. UsageError if its name cannot be used, or if it is not empty."""
    path = path.resolve()
    if not PLAIN_PATH.fullmatch(str(path)):
        raise UsageError(f"systemd and mosquitto cannot use {path}: name a path of letters, digits and . _ - only")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is not empty: name a new folder, or use the server folder that is already there")
    return path


def check_host(host: str) -> None:
    """UsageError for a host name that certificates and configuration files cannot hold."""
    if is_ip_address(host):
        return
    if len(host) > MAX_HOST_LENGTH or not all(HOST_LABEL.fullmatch(label) for label in host.split(".")):
        raise UsageError(
            f"{host!r} is not a valid host name: letters, digits, hyphens and dots, at most {MAX_HOST_LENGTH}"
        )


def _read_certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())

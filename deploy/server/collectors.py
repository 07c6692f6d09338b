"""Further collectors of a server folder, each with a name and a certificate of its own, which share the work."""

import os
import pwd
import tomllib
from dataclasses import dataclass
from pathlib import Path

from mien.deploy.config_templates import collector_toml
from mien.deploy.systemd_units import collector_unit
from mien.device_name import collector_client_id, is_device_name
from mien.errors import ConfigurationError, UsageError
from mien.files.atomic_file import write_secret
from mien.files.text_file import EncodingError, decode_text

from .certificate_authority import CertificateAuthority
from .folder import ServerFolder


@dataclass(frozen=True, slots=True)
class AddedCollector:
    """What was written."""

    config: Path
    unit: Path
    first_config: Path
    """The settings of the first collector, on the same database."""
    is_shared: bool
    """Whether the first collector shares the work already."""


def add_collector(server: ServerFolder, name: str) -> AddedCollector:
    """Issue the identity of a further collector, on the PostgreSQL database of the first, and write its settings.

    UsageError if the name is not valid or taken, ConfigurationError if the first collector's settings lack something.
    """
    if not is_device_name(name):
        raise UsageError(f"{name!r} is not a collector's name: lower-case letters, digits and hyphens, at most 32")
    if name in server.collectors():
        raise UsageError(f"there is a collector {name} already: choose another name")
    first_config, first = _find_shareable_settings(server.path)
    group, database = first.get("shared_group"), str(first["database"])
    if not isinstance(group, str):
        raise ConfigurationError(f"{first_config} names no group: set shared_group to a name that nobody can guess")
    authority = CertificateAuthority(server.path / "certificate-authority")
    folder = server.path / "collectors" / name
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "ca.crt").write_bytes(authority.certificate)
    host, port = server.server.hosts[0], server.server.port
    database = database.replace(f"{server.path}/collector/ca.crt", f"{folder}/ca.crt")
    settings = collector_toml(folder, name, database=database, group=group, host=host, port=port)
    write_secret(folder / "collector.toml", settings.encode())
    authority.issue_client(collector_client_id(name)).write(folder / "collector")
    unit = server.path / "systemd" / f"mien-collector-{name}.service"
    owner = server.path.stat()  # who runs the server, also if root adds to it
    unit.write_text(collector_unit(server.path, pwd.getpwuid(owner.st_uid).pw_name, f"collectors/{name}"))
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)
    server.write_access_lists()
    return AddedCollector(folder / "collector.toml", unit, first_config, first.get("shared_subscription") is True)


def _find_shareable_settings(server: Path) -> tuple[Path, dict[str, object]]:
    """The first collector's file and settings: collector.toml if it names a server's database, else postgresql.toml."""
    for file in (server / "collector" / "collector.toml", server / "collector" / "postgresql.toml"):
        try:
            settings = tomllib.loads(decode_text(file.read_bytes()))
        except (OSError, EncodingError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"{file} cannot be read ({error}): restore it from a backup") from error
        if "://" in str(settings.get("database")):
            return file, settings
    raise ConfigurationError(f"{file} names no PostgreSQL database: set database, which collectors must share")

"""Looks at a server's folder as the programs that use it will: keys, certificates, settings, mosquitto, units."""

import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from mien.configuration import load, settings_type_of
from mien.diagnosis import Diagnosis, error, ok, warning
from mien.errors import ConfigurationError, MissingExtra

from .server import ServerFolder
from .units import program

SOON = timedelta(days=90)
SECRETS = ("password", "pgpass", "token")
STARTED_S = 1.0
"""mosquitto ends at once on a configuration that it does not take."""


def server_check(folder: ServerFolder) -> Iterator[Diagnosis]:
    """A line for each part; real programs are asked where this machine has them."""
    yield ok("server", f"{folder.path}, {folder.server.hosts[0]}:{folder.server.port}")
    yield from _keys(folder.path)
    yield from _certificates(folder)
    yield from _broker(folder)
    for program_name in ("collector", "dashboard"):
        yield _settings(folder.path, program_name)
    yield from _units(folder.path)
    yield from _containers(folder.path)


def _keys(path: Path) -> Iterator[Diagnosis]:
    keys = sorted(
        file for file in path.rglob("*") if file.suffix == ".key" or file.name in ("password", "pgpass", "token")
    )
    open_keys = [key for key in keys if key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    for key in open_keys:
        yield error("keys", f"{key} is open to other users", f"chmod 600 {key}, and think of who may have read it")
    if not open_keys:
        yield ok("keys", f"{len(keys)}, each for its owner alone")


def _certificates(folder: ServerFolder) -> Iterator[Diagnosis]:
    authority = x509.load_pem_x509_certificate((folder.path / "authority" / "ca.crt").read_bytes())
    files = [file for file in sorted(folder.path.rglob("*.crt")) if file.name != "ca.crt"]
    sound = True
    for file in [folder.path / "authority" / "ca.crt", *files]:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        left = certificate.not_valid_after_utc - datetime.now(UTC)
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, TypeError, ValueError) as problem:
            yield error("identities", f"{file} is not of this authority ({problem!r})", "issue it anew")
            sound = False
            continue
        if left < SOON:
            say = error if left < timedelta(0) else warning
            yield say("identities", f"{file} ends on {certificate.not_valid_after_utc:%Y-%m-%d}", "issue it anew")
            sound = False
    if sound:
        yield ok("identities", f"{len(files)} of this authority, devices {len(folder.devices())}")


def _broker(folder: ServerFolder) -> Iterator[Diagnosis]:
    mosquitto = program("mosquitto")
    if mosquitto is None:
        yield warning(
            "broker", "mosquitto is not installed, so its configuration is not tried", "apt install mosquitto"
        )
        return
    if folder.running is not None:
        yield ok("broker", "mosquitto runs with this configuration")
        return
    with TemporaryDirectory() as place, socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
        free.close()
        lines = (folder.path / "broker" / "mosquitto.conf").read_text().splitlines()
        changed = {"listener": f"listener {port} 127.0.0.1", "pid_file": "", "persistence": "persistence false"}
        trial = Path(place) / "mosquitto.conf"
        trial.write_text("\n".join(changed.get(line.split(" ")[0], line) for line in lines))
        with subprocess.Popen([mosquitto, "-c", str(trial)], stderr=subprocess.PIPE, text=True) as process:
            time.sleep(STARTED_S)
            process.terminate()
            _, said = process.communicate()
        complaints = [line.split(": ", 1)[-1] for line in said.splitlines() if "Error" in line]
        if complaints:
            yield error("broker", f"mosquitto does not take its configuration ({complaints[0]})", "see broker/")
        else:
            yield ok("broker", f"mosquitto takes its configuration ({mosquitto})")


def _settings(path: Path, name: str) -> Diagnosis:
    file = path / name / f"{name}.toml"
    try:
        load(file, settings_type_of(name))
    except MissingExtra:
        return warning(
            name, "is not installed here, so its configuration is not tried", "pip install 'mien[broker,dashboard]'"
        )
    except ConfigurationError as problem:
        return error(name, str(problem), "see docs/settings.md")
    return ok(name, f"takes {file}")


def _units(path: Path) -> Iterator[Diagnosis]:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        yield warning("units", "systemd-analyze is not installed, so the units are not tried", "use them with systemd")
        return
    for unit in sorted((path / "systemd").glob("*.service")):
        told = subprocess.run(
            [analyze, "verify", "--man=no", "--no-pager", str(unit)], capture_output=True, text=True, check=False
        )
        if told.returncode:
            complaint = (told.stderr.strip().splitlines() or ["no reason given"])[0]
            yield error("units", f"systemd does not take {unit.name} ({complaint})", "mend it, or make a new folder")
        else:
            yield ok("units", f"systemd takes {unit.name}")


def _containers(path: Path) -> Iterator[Diagnosis]:
    """Docker is another way to run the same, so nothing is said where it is not."""
    docker = shutil.which("docker")
    compose = [docker or "docker", "compose"]
    if docker is None or subprocess.run([*compose, "version"], capture_output=True, check=False).returncode:
        return
    told = subprocess.run([*compose, "config", "--quiet"], cwd=path, capture_output=True, text=True, check=False)
    if told.returncode:
        complaint = (told.stderr.strip().splitlines() or ["no reason given"])[-1]
        yield error("containers", f"Docker does not take compose.yaml ({complaint})", "mend it, or make a new folder")
    else:
        yield ok("containers", "Docker takes compose.yaml")

"""Checks a server folder as the programs that use it would: keys, certificates, settings, mosquitto, units, Docker."""

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

from mien.checks import CheckResult, error, ok, warning
from mien.deploy.systemd_units import find_program
from mien.errors import ConfigurationError, MissingExtra
from mien.settings.load import load_settings
from mien.settings.registry import settings_type_of
from mien.tls.certificate import EXPIRES_SOON

from .folder import ServerFolder

SECRET_FILES = ("password", "pgpass", "token")
MOSQUITTO_STARTUP_S = 1.0
"""mosquitto runs by then, or has exited because it rejects its configuration."""
POLL_S = 0.02


def check_server(folder: ServerFolder) -> Iterator[CheckResult]:
    """A result for each part; the real programs are asked where this machine has them."""
    yield ok("server", f"{folder.path}, {folder.server.hosts[0]}:{folder.server.port}")
    yield from _check_keys(folder.path)
    yield from _check_certificates(folder)
    yield _check_mosquitto(folder)
    further = sorted((folder.path / "collectors").glob("*/collector.toml"))
    for file in (folder.path / "collector" / "collector.toml", *further, folder.path / "dashboard" / "dashboard.toml"):
        yield _check_settings(file)
    yield from _check_units(folder.path)
    yield from _check_compose(folder.path)


def _check_keys(path: Path) -> Iterator[CheckResult]:
    keys = sorted(file for file in path.rglob("*") if file.suffix == ".key" or file.name in SECRET_FILES)
    readable = [key for key in keys if key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    for key in readable:
        yield error("keys", f"{key} is open to other users", f"chmod 600 {key}, and consider who may have read it")
    if not readable:
        yield ok("keys", f"{len(keys)}, each readable by its owner only")


def _check_certificates(folder: ServerFolder) -> Iterator[CheckResult]:
    authority_file = folder.path / "certificate-authority" / "ca.crt"
    authority = x509.load_pem_x509_certificate(authority_file.read_bytes())
    files = [file for file in sorted(folder.path.rglob("*.crt")) if file.name != "ca.crt"]
    all_valid = True
    for file in [authority_file, *files]:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        remaining = certificate.not_valid_after_utc - datetime.now(UTC)
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, TypeError, ValueError) as problem:
            message = f"{file} was not issued by this certificate authority ({problem!r})"
            yield error("certificates", message, "issue it again")
            all_valid = False
            continue
        if remaining < EXPIRES_SOON:
            result = error if remaining < timedelta(0) else warning
            message = f"{file} expires on {certificate.not_valid_after_utc:%Y-%m-%d}"
            yield result("certificates", message, _renewal_hint(folder, file))
            all_valid = False
    if all_valid:
        yield ok("certificates", f"{len(files)} issued by this certificate authority, devices {len(folder.devices())}")


def _renewal_hint(folder: ServerFolder, file: Path) -> str:
    if not file.is_relative_to(folder.path / "devices"):
        return f"mien server renew {folder.path}"
    name = file.parent.name
    return f"`mien device revoke {name}` and `mien device add {name}`, then install the device again"


def _check_mosquitto(folder: ServerFolder) -> CheckResult:
    """Start mosquitto on a free port of the loopback interface, with the folder's configuration otherwise."""
    mosquitto = find_program("mosquitto")
    if mosquitto is None:
        message = "is not installed, so its configuration was not checked"
        return warning("mosquitto", message, "apt install mosquitto")
    if folder.mosquitto_pid is not None:
        return ok("mosquitto", "runs with this configuration")
    with TemporaryDirectory() as temporary, socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
        free.close()
        lines = (folder.path / "mosquitto" / "mosquitto.conf").read_text().splitlines()
        changed = {"listener": f"listener {port} 127.0.0.1", "pid_file": "", "persistence": "persistence false"}
        trial, log = Path(temporary) / "mosquitto.conf", Path(temporary) / "log"
        trial.write_text("\n".join(changed.get(line.split(" ")[0], line) for line in lines))
        deadline_s = time.monotonic() + MOSQUITTO_STARTUP_S
        with log.open("wb") as stderr, subprocess.Popen([mosquitto, "-c", str(trial)], stderr=stderr) as process:
            while process.poll() is None and " running\n" not in log.read_text() and time.monotonic() < deadline_s:
                time.sleep(POLL_S)
            process.terminate()
        output = log.read_text()
    errors = [line.split(": ", 1)[-1] for line in output.splitlines() if "Error" in line]
    if errors:
        return error("mosquitto", f"rejects its configuration ({errors[0]})", f"see {folder.path}/mosquitto")
    return ok("mosquitto", f"accepts its configuration ({mosquitto})")


def _check_settings(file: Path) -> CheckResult:
    program = file.stem
    try:
        load_settings(file, settings_type_of(program))
    except MissingExtra:
        message = "is not installed here, so its configuration was not checked"
        return warning(program, message, "pip install 'mien[broker,dashboard]'")
    except ConfigurationError as problem:
        return error(program, str(problem), "see docs/settings.md")
    return ok(program, f"accepts {file}")


def _check_units(path: Path) -> Iterator[CheckResult]:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        yield warning("units", "systemd-analyze is not installed, so the units were not checked", "apt install systemd")
        return
    for unit in sorted((path / "systemd").glob("*.service")):
        command = [analyze, "verify", "--man=no", "--no-pager", str(unit)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[0]
            yield error("units", f"systemd rejects {unit.name} ({reason})", "fix it, or create a new server folder")
        else:
            yield ok("units", f"systemd accepts {unit.name}")


def _check_compose(path: Path) -> Iterator[CheckResult]:
    """Nothing without Docker, which is only another way to run the same programs."""
    docker = shutil.which("docker")
    compose = [docker or "docker", "compose"]
    if docker is None or subprocess.run([*compose, "version"], capture_output=True, check=False).returncode:
        return
    command = [*compose, "config", "--quiet"]
    result = subprocess.run(command, cwd=path, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        yield error("containers", f"Docker rejects compose.yaml ({reason})", "fix it, or create a new server folder")
    else:
        yield ok("containers", "Docker accepts compose.yaml")

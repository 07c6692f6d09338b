"""Waits until the server's programs do their work: systemd knows only that their processes exist."""

import json
import socket
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from mien.files.text_file import read_text

from .account import Account
from .services import Services

TIMEOUT_S = 90.0
"""A Raspberry Pi imports the dashboard's packages in 20 s or so, and a collector connects within 10 s more."""
POLL_S = 0.5
CONNECT_TIMEOUT_S = 2.0

Probe = Callable[[], bool]


def server_probes(data: Path, program: Path, account: Account, units: list[str]) -> dict[str, Probe]:
    """For each unit whether its program is ready: it accepts connections, or has written that it is online."""
    since_ms = time.time_ns() // 1_000_000
    port = int(tomllib.loads(read_text(data / "server.toml")).get("port", 8883))
    probes: dict[str, Probe] = {}
    for unit in units:
        if unit == "mien-mosquitto.service":
            probes[unit] = lambda: accepts_connections("127.0.0.1", port)
        elif unit == "mien-dashboard.service":
            settings = tomllib.loads(read_text(data / "dashboard" / "dashboard.toml"))
            address = str(settings.get("host", "127.0.0.1")), int(settings.get("port", 8501))
            probes[unit] = lambda address=address: accepts_connections(*address)  # type: ignore[misc]
        else:
            name = unit.removesuffix(".service").removeprefix("mien-collector").removeprefix("-")
            file = data / (f"collectors/{name}" if name else "collector") / "collector.toml"
            probes[unit] = lambda file=file: is_online(file, since_ms, program, account)  # type: ignore[misc]
    return probes


def accepts_connections(host: str, port: int) -> bool:
    """Whether something listens there; a name for all interfaces stands for the loopback one."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    try:
        socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def is_online(settings_file: Path, since_ms: int, program: Path, account: Account) -> bool:
    """Whether the collector with these settings has written into the log that it came online, at that time or later."""
    settings = tomllib.loads(read_text(settings_file))
    statement = "SELECT name, state, received_ms FROM collector_state"
    query = [str(program), "query", "--json", "--db", str(settings["database"]), "--sql", statement]
    result = account.run(query)
    if result.returncode:
        return False  # the log is created by the collector
    rows = json.loads(result.stdout)
    name = settings.get("name", "collector")
    return any(row["name"] == name and row["state"] == "online" and row["received_ms"] >= since_ms for row in rows)


def wait_until_ready(
    services: Services, probes: Mapping[str, Probe], *, timeout_s: float = TIMEOUT_S, poll_s: float = POLL_S
) -> str | None:
    """Wait for all; None once they are ready, else the unit that is not.

    A unit must be found ready twice: one that restarts again and again is active in between, too.
    """
    deadline_s = time.monotonic() + timeout_s
    seen = dict.fromkeys(probes, 0)
    while True:
        for unit, probe in probes.items():
            state = services.state(unit)
            if state == "failed":
                return unit
            if seen[unit] < 2:  # what was ready is only asked whether it still runs
                seen[unit] = seen[unit] + 1 if state == "active" and probe() else 0
            elif state != "active":
                seen[unit] = 0
        waiting = [unit for unit, count in seen.items() if count < 2]
        if not waiting:
            return None
        if time.monotonic() >= deadline_s:
            return waiting[0]
        time.sleep(poll_s)

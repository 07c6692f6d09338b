"""What a server's log holds of its devices."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from steps import MIEN
from virtual_pi import POLL_S, VirtualPi

from mien.broker.database.engine import open_for_reading
from mien.broker.database.schema import observation
from mien.deploy.server.folder import ServerFolder


def count_rows(server: ServerFolder) -> int:
    """The number of stored observations."""
    with open_for_reading(str(_database(server))).connect() as log:
        return log.execute(select(func.count()).select_from(observation)).scalar_one()


def wait_for_rows(pi: VirtualPi, server: ServerFolder, count: int, timeout_s: float) -> None:
    """Until so many rows are stored; AssertionError, with the end of the Pi's console, if it takes too long."""
    deadline_s = time.monotonic() + timeout_s
    while count_rows(server) < count:
        pi.check_is_on()
        if time.monotonic() > deadline_s:
            last_lines = "\n".join(pi.console.splitlines()[-60:])
            raise AssertionError(f"{count_rows(server)} of {count} rows within {timeout_s:.0f} s:\n{last_lines}")
        time.sleep(POLL_S)


def check_log(server: ServerFolder) -> dict[str, Any]:
    """What `mien db check --json` prints; AssertionError if it finds the log damaged."""
    command: list[str | Path] = [MIEN, "db", "check", "--db", _database(server), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def _database(server: ServerFolder) -> Path:
    return server.path / "collector" / "data" / "mien.db"

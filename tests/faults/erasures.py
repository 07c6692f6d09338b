"""`mien db erase` of random devices and times, while everything is killed, `mien db erase` itself too."""

import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from processes import KillableProcess
from sender import MAX_AGE_H
from sqlalchemy import select

from mien.broker.database.engine import open_for_reading, read_transaction
from mien.broker.database.schema import device
from mien.errors import DatabaseError

QUARTER_HOUR = timedelta(minutes=15)
MAX_QUARTER_HOURS = 4
"""Of one erasure."""
MAX_ATTEMPTS = 5


class Erasures:
    """Starts one erasure after another; `finish` completes those that were interrupted."""

    def __init__(self, log: str, folder: Path, source: random.Random) -> None:
        self._log = log
        self._output = folder / "erasures.log"
        self._random = source
        self._interrupted: list[KillableProcess] = []
        self._running: KillableProcess | None = None
        self.count = 0

    def start(self) -> None:
        """Begin to erase a span of the past of a device in the log, unless an erasure is running."""
        if self._is_running() or not (devices := self._read_devices()):
            return
        quarters = round(timedelta(hours=MAX_AGE_H) / QUARTER_HOUR)
        begin = datetime.now(UTC) - QUARTER_HOUR * self._random.randint(MAX_QUARTER_HOURS, quarters)
        end = begin + QUARTER_HOUR * self._random.random() * MAX_QUARTER_HOURS
        span = ["--from", _format(begin), "--to", _format(end)]
        command = ["-m", "mien", "db", "erase", "--db", self._log, "--device", self._random.choice(devices), *span]
        command.append("--yes")
        self._running = KillableProcess([sys.executable, *command], self._output)
        self._running.start()
        self.count += 1

    def kill(self) -> None:
        """Kill the one that is running, if one is."""
        if self._running and self._is_running():
            self._running.kill()
            self._interrupted.append(self._running)
            self._running = None

    def finish(self) -> None:
        """Complete all erasures; AssertionError if one fails again and again."""
        if self._running:
            self._interrupted.append(self._running)
            self._running = None
        for erasure in self._interrupted:
            for _ in range(MAX_ATTEMPTS):
                if erasure.process and erasure.process.wait() == 0:
                    break
                erasure.start()
            assert erasure.process
            assert erasure.process.wait() == 0, self._output.read_text()

    def _read_devices(self) -> list[str]:
        try:
            engine = open_for_reading(self._log)
            with read_transaction(engine) as connection:
                return list(connection.scalars(select(device.c.name).order_by(device.c.name)))
        except DatabaseError:
            return []  # such as before a collector has created the log

    def _is_running(self) -> bool:
        """Whether one is running; one that failed, such as for a locked database, is completed later."""
        if self._running is None or self._running.process is None:
            return False
        code = self._running.process.poll()
        if code:
            self._interrupted.append(self._running)
        if code is not None:
            self._running = None
        return code is None


def _format(at: datetime) -> str:
    return at.isoformat(timespec="seconds")

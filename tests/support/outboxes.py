"""Observations for an outbox under test, and the simulated clocks of its machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from samples import make_draft

from mien.edge.delivery.clock import Clock, Timestamp
from mien.edge.delivery.outbox import Outbox
from mien.messages.observation import Observation

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
TIMESTAMP = Timestamp(NOW, "synced", "boot-1", 1000)


def append_observations(outbox: Outbox, count: int) -> None:
    with without_syncing(outbox):
        for _ in range(count):
            outbox.append(make_draft(), TIMESTAMP)


@contextmanager
def without_syncing(outbox: Outbox) -> Iterator[None]:
    """Commit without waiting for the disk while the block runs: no power fails in a test."""
    with outbox._file.connection() as database:
        database.execute("PRAGMA synchronous = OFF")
    try:
        yield
    finally:
        with outbox._file.connection() as database:
            database.execute("PRAGMA synchronous = FULL")


class SimulatedMachine:
    """A device's clocks and boot ID, as the test sets them."""

    def __init__(self, folder: Path) -> None:
        self.wall_s = NOW.timestamp()
        self.uptime_s = 10.0
        self.is_synchronized = False
        self.boot_id_file = folder / "boot_id"
        self.boot_id_file.write_text("boot-1\n")

    def clock(self) -> Clock:
        return Clock(
            "ntp",
            is_synchronized=lambda: self.is_synchronized,
            boot_id_file=self.boot_id_file,
            wall_s=lambda: self.wall_s,
            uptime_s=lambda: self.uptime_s,
        )

    def observe(self, outbox: Outbox, clock: Clock) -> Observation:
        timestamp = clock.now()
        return outbox.append(make_draft(at=timestamp.at, clock=timestamp.state), timestamp)

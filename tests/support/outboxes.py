"""What tests put into an outbox, and the machine that it stands on."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from samples import make_observation

from mien.edge.clock import Clock, Moment
from mien.edge.outbox import Outbox
from mien.observation import Observation

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
MOMENT = Moment(NOW, "synced", "boot-1", 1000)


def build(**changes: object) -> Callable[[UUID, int], Observation]:
    return lambda outbox, seq: make_observation(outbox, seq, **changes)


def append(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        outbox.append(build(), MOMENT)


class Machine:
    """A device's clocks and its start, as a test sets them."""

    def __init__(self, folder: Path) -> None:
        self.wall_s = NOW.timestamp()
        self.running_s = 10.0
        self.synchronised = folder / "synchronised"
        self.boot_id = folder / "boot_id"
        self.boot_id.write_text("boot-1\n")

    def clock(self) -> Clock:
        return Clock(
            "ntp",
            synchronised=self.synchronised,
            boot_id=self.boot_id,
            wall_s=lambda: self.wall_s,
            running_s=lambda: self.running_s,
        )

    def observe(self, outbox: Outbox, clock: Clock) -> Observation:
        moment = clock.moment()
        return outbox.append(build(at=moment.at, clock=moment.state), moment)

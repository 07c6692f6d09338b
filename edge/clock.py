"""Whether this device knows what time it is: a Pi has no clock battery, and wakes with a wrong time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches this file when it has set the clock (systemd-timesyncd.service(8))."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""New with every start of the machine (random(4))."""

EARLIEST_S, LATEST_S = datetime(2000, 1, 1, tzinfo=UTC).timestamp(), datetime(2199, 12, 31, tzinfo=UTC).timestamp()
"""What an observation may say: a Pi that wakes in 1970 observes all the same, and its times are corrected later."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time by the clock as it was then, and how to find out later what time it really was."""

    at: datetime
    """UTC in whole milliseconds."""
    state: Literal["synced", "unsynced"]
    boot: str
    """Names this start of the machine."""
    running_ms: int
    """How long the machine had been running: a clock that only goes forward, and forgets all at the next start."""


class Clock:
    """The time, and whether to believe it."""

    def __init__(
        self,
        trust: Literal["ntp", "trusted"],
        *,
        synchronised: Path = SYNCHRONISED,
        boot_id: Path = BOOT_ID,
        wall_s: Callable[[], float] = time.time,
        running_s: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        """`wall_s` and `running_s` read the two clocks in seconds."""
        self._trust = trust
        self._synchronised = synchronised
        self._boot = boot_id.read_text(encoding="ascii").strip() if boot_id.exists() else ""
        self._wall_s = wall_s
        self._running_s = running_s

    def moment(self) -> Moment:
        """Now."""
        return Moment(_whole_ms(self._wall_s()), self.state, self._boot, self.running_ms())

    def running_ms(self) -> int:
        """How long the machine has been running."""
        return round(self._running_s() * 1000)

    def age_s(self, boot: str, running_ms: int) -> float | None:
        """How long ago a moment was; None if it was before the machine's last start."""
        return (self.running_ms() - running_ms) / 1000 if boot == self._boot else None

    def corrected(self, boot: str, running_ms: int) -> datetime | None:
        """When a moment was by the clock as it is now; None if that cannot be said, or not yet."""
        age_s = self.age_s(boot, running_ms)
        return None if age_s is None or self.state == "unsynced" else _whole_ms(self._wall_s() - age_s)

    @property
    def state(self) -> Literal["synced", "unsynced"]:
        """Whether the clock is to be believed now."""
        return "synced" if self._trust == "trusted" or self._synchronised.exists() else "unsynced"


def _whole_ms(wall_s: float) -> datetime:
    moment = datetime.fromtimestamp(min(max(wall_s, EARLIEST_S), LATEST_S), UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

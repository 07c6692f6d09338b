"""The device's clock, and whether to trust it: a Pi has no battery-backed clock and boots with a wrong time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from mien.clock_sync import ClockSync

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
"""New with every boot (random(4))."""

MIN_TIME_S, MAX_TIME_S = datetime(2000, 1, 1, tzinfo=UTC).timestamp(), datetime(2199, 12, 31, tzinfo=UTC).timestamp()
"""Range of valid times of an observation: a Pi that boots in 1970 observes nevertheless, and is corrected later."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """The time by the clock as it was, with what is needed to correct it once the clock is synchronized."""

    at: datetime
    """UTC in whole milliseconds."""
    state: Literal["synced", "unsynced"]
    boot_id: str
    uptime_ms: int
    """Time since boot, by a clock that never jumps and restarts with each boot."""


class Clock:
    """The current time, and whether to trust it."""

    def __init__(
        self,
        trust: Literal["ntp", "trusted"],
        *,
        is_synchronized: Callable[[], bool | None] | None = None,
        boot_id_file: Path = BOOT_ID_FILE,
        wall_s: Callable[[], float] = time.time,
        uptime_s: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        """`is_synchronized` says whether the clock is right now (None: unknown), by default what the kernel says;
        `wall_s` and `uptime_s` read the two clocks in seconds."""
        self._trust = trust
        self._is_synchronized = is_synchronized or ClockSync().is_synchronized
        self._boot_id = boot_id_file.read_text(encoding="ascii").strip() if boot_id_file.exists() else ""
        self._wall_s = wall_s
        self._uptime_s = uptime_s

    def now(self) -> Timestamp:
        return Timestamp(_to_datetime(self._wall_s()), self.state, self._boot_id, self.uptime_ms())

    def uptime_ms(self) -> int:
        """Time since boot."""
        return round(self._uptime_s() * 1000)

    def age_s(self, boot_id: str, uptime_ms: int) -> float | None:
        """How long ago a timestamp was taken; None if that was before the last boot."""
        return (self.uptime_ms() - uptime_ms) / 1000 if boot_id == self._boot_id else None

    def corrected_time(self, boot_id: str, uptime_ms: int) -> datetime | None:
        """The time of a timestamp by the clock as it is now; None if taken before the last boot, or if unsynced."""
        age_s = self.age_s(boot_id, uptime_ms)
        return None if age_s is None or self.state == "unsynced" else _to_datetime(self._wall_s() - age_s)

    @property
    def state(self) -> Literal["synced", "unsynced"]:
        """Whether the clock can be trusted now."""
        return "synced" if self._trust == "trusted" or self._is_synchronized() else "unsynced"


def _to_datetime(wall_s: float) -> datetime:
    """UTC in whole milliseconds, clamped to the valid times."""
    time_utc = datetime.fromtimestamp(min(max(wall_s, MIN_TIME_S), MAX_TIME_S), UTC)
    return time_utc.replace(microsecond=time_utc.microsecond // 1000 * 1000)

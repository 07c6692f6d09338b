"""Judges the server's clock, which decides what is too old to be kept and what is too new to be true."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from mien.clock_sync import ClockSync

from .device_times import DeviceTimes

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MAX_DIFFERENCE_MS = DAY_MS
"""How long the collector may have been stopped, and the clock differ from the log and from the devices, without a
question: more than any mistake in the time zone, and little of the days that rows are kept."""
MAX_STEP_MS = HOUR_MS
"""How much the clock may have been set forward while the collector runs."""
STEP_MS = 60_000
"""What is a step of the clock, and not a correction of its speed or a busy machine."""
CONFIRMATION_MS = DAY_MS
"""How long something else must confirm a clock that is far ahead of the log, before anything is deleted by it."""
EARLIEST_MS = round(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)
"""A clock before this release's time is that of a machine without a battery."""

ClockState = Literal["believed", "doubted", "behind"]
"""doubted: far ahead of the log, so nothing may be deleted by it. behind: it makes new rows look like impossible ones,
so none may be judged by it."""

log = logging.getLogger(__name__)


class TimeBelief(NamedTuple):
    """What a collector that stops leaves to the next one."""

    believed_ms: int
    """What time it was; milliseconds since 1970."""
    confirmed_ms: int = 0
    """For how long a clock that is far ahead of it has been confirmed."""


class ServerClock:
    """The server's clock, with a second opinion.

    What is believed is the last belief of an earlier run, or the newest row, continued by a clock that never jumps. The
    wall clock is believed as long as it agrees with that. If it does not, the kernel's synchronization or the median of
    at least three devices' clocks can confirm it: at once if it is behind, because then nothing can be deleted by it
    too early; only after a day if it is ahead.
    """

    def __init__(
        self,
        trust: Literal["ntp", "trusted"] = "ntp",
        *,
        is_synchronized: Callable[[], bool | None] | None = None,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic_ms: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
    ) -> None:
        """`is_synchronized` says whether the clock is right now (None: unknown), by default what the kernel says.
        `monotonic_ms` reads a clock that never jumps and goes on while the machine sleeps."""
        self.wall_ms = wall_ms
        self.monotonic_ms = monotonic_ms
        self._is_trusted = trust == "trusted"
        self._is_synchronized = is_synchronized or ClockSync().is_synchronized
        self._devices = DeviceTimes()
        self._belief: TimeBelief | None = None
        self._max_ahead_ms = MAX_DIFFERENCE_MS
        self._read_ms = wall_ms(), monotonic_ms()
        self._state: ClockState = "believed"

    def resume(self, belief: TimeBelief | None) -> None:
        """Continue from the belief of an earlier run; None if the log is empty."""
        self._belief = belief
        self._read_ms = self.wall_ms(), self.monotonic_ms()
        self._max_ahead_ms = MAX_DIFFERENCE_MS

    def record_device_time(self, device: str, at_ms: int) -> None:
        """Record the time of an observation that has just arrived and was made with a synchronized clock."""
        self._devices.record(device, at_ms, self.monotonic_ms())

    @property
    def retention_ms(self) -> int | None:
        """A time that has certainly come, by which old rows can be deleted; None if nothing is known yet."""
        return None if self._belief is None else min(self._belief.believed_ms, self._read_ms[0])

    @property
    def belief(self) -> TimeBelief | None:
        """What the next run is to continue from, as of the last `judge()`."""
        return self._belief

    @property
    def is_confirmed(self) -> bool:
        """Whether something besides the clock says that it is right: only then is a message too far ahead rejected."""
        return self._is_trusted or self._is_synchronized() is True or self._agrees_with_devices()

    def judge(self) -> ClockState:
        """Compare the clock with what is believed, and log a change; call it often, since it watches for steps."""
        wall_ms, now_ms = self.wall_ms(), self.monotonic_ms()
        elapsed_ms = now_ms - self._read_ms[1]
        step_ms = wall_ms - self._read_ms[0] - elapsed_ms
        self._read_ms = wall_ms, now_ms
        belief = self._belief or TimeBelief(wall_ms)
        believed_ms, confirmed_ms = belief.believed_ms + (elapsed_ms if self._belief else 0), belief.confirmed_ms
        is_stepped = abs(step_ms) > STEP_MS
        if is_stepped:
            log.warning("the server's clock was set %s by %s", "forward" if step_ms > 0 else "back", _span(step_ms))
        state, reason = self._compare(wall_ms, believed_ms, now_ms)
        if state == "doubted":
            confirmed_ms += elapsed_ms if self.is_confirmed else 0
            confirmed_ms = 0 if is_stepped else confirmed_ms
            state = "believed" if confirmed_ms >= CONFIRMATION_MS else "doubted"
            self._belief = TimeBelief(believed_ms, confirmed_ms)
        elif self._belief:
            self._belief = TimeBelief(believed_ms)
        if state == "believed":
            self._belief = TimeBelief(wall_ms)
            self._max_ahead_ms = MAX_STEP_MS
        self._log_change(state, reason)
        return state

    def _compare(self, wall_ms: int, believed_ms: int, now_ms: int) -> tuple[ClockState, str]:
        """What the clock is, and what is wrong with it, by what is believed and by the devices."""
        ahead_ms = wall_ms - believed_ms
        devices_ms = self._devices.median_ms(now_ms)
        if self._is_trusted:
            return "believed", ""
        if devices_ms is not None and devices_ms - wall_ms > MAX_DIFFERENCE_MS:
            return "behind", f"{_span(devices_ms - wall_ms)} behind those of most devices"
        if ahead_ms > self._max_ahead_ms:
            return "doubted", f"{_span(ahead_ms)} ahead of the log"
        if ahead_ms < -MAX_DIFFERENCE_MS and not self.is_confirmed:
            return "behind", f"{_span(ahead_ms)} behind the log"
        if wall_ms < EARLIEST_MS and not self.is_confirmed:
            return "behind", f"at {datetime.fromtimestamp(wall_ms / 1000, UTC):%Y-%m-%d}, before this release was made"
        return "believed", ""

    def _agrees_with_devices(self) -> bool:
        devices_ms = self._devices.median_ms(self.monotonic_ms())
        return devices_ms is not None and abs(devices_ms - self.wall_ms()) <= MAX_DIFFERENCE_MS

    def _log_change(self, state: ClockState, reason: str) -> None:
        if state == self._state:
            return
        self._state = state
        if state == "believed":
            log.warning("the server's clock is believed again")
        else:
            log.warning(EXPLANATIONS[state], reason)


EXPLANATIONS = {
    "doubted": "the server's clock is %s: old rows are not deleted by it until it has been synchronized for a day; "
    'see `timedatectl`, or set clock = "trusted" if it is right',
    "behind": "the server's clock is %s: nothing is stored, and devices keep their observations; "
    'see `timedatectl`, or set clock = "trusted" if it is right',
}


def _span(duration_ms: int) -> str:
    """A duration for people, without its sign."""
    for unit_ms, unit in ((DAY_MS, "days"), (HOUR_MS, "hours")):
        if abs(duration_ms) >= 2 * unit_ms:
            return f"{abs(duration_ms) / unit_ms:.0f} {unit}"
    return f"{abs(duration_ms) // 60_000} minutes"

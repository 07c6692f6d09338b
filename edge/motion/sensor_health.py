"""Distinguishes a sensor that detects people from one that is stuck or triggers itself."""

from collections import deque
from itertools import pairwise
from statistics import mean, pstdev
from typing import Literal

from .settings import AlwaysOnSettings, MotionSettings

PERIODIC_WAKES = 12
"""This many wakes in a row at regular intervals are caused by the sensor itself: by a heater, a power supply, a faulty
board."""
MAX_PERIODIC_DEVIATION = 0.05
"""Standard deviation of those intervals as a fraction of their mean; for people it is 1 or more."""
MAX_WAKES_PER_HOUR = 10_000
"""More are not counted."""
MAX_FAULTY_CAPTURE_S = 20.0
"""Limit of a capture while the sensor counts as faulty."""


class MotionSensorMonitor:
    """Monitors when a sensor wakes the agent. All times are monotonic seconds."""

    def __init__(self, settings: MotionSettings) -> None:
        self._settings = settings
        self._wakes_s: deque[float] = deque(maxlen=PERIODIC_WAKES)
        self._last_hour_s: deque[float] = deque(maxlen=MAX_WAKES_PER_HOUR)
        self._moving_since_s: float | None = None

    def record(self, *, is_moving: bool, now_s: float) -> bool:
        """Record a reading of the sensor, whenever it is read; True if it differs from the one before."""
        changed = is_moving != (self._moving_since_s is not None)
        if changed and is_moving:
            self._moving_since_s = now_s
            self._wakes_s.append(now_s)
            self._last_hour_s.append(now_s)
        elif changed:
            self._moving_since_s = None
        return changed

    def state(self, now_s: float) -> Literal["ok", "stuck", "periodic"]:
        """stuck: it reports motion without a pause for `stuck_after_s`. periodic: it wakes at regular intervals."""
        if isinstance(self._settings, AlwaysOnSettings):
            return "ok"
        if self._moving_since_s is not None and now_s - self._moving_since_s >= self._settings.stuck_after_s:
            return "stuck"
        return "periodic" if self.period_s is not None else "ok"

    @property
    def period_s(self) -> float | None:
        """The mean interval between the last wakes; None unless it is regular."""
        intervals_s = [later_s - earlier_s for earlier_s, later_s in pairwise(list(self._wakes_s))]
        if len(intervals_s) < PERIODIC_WAKES - 1 or pstdev(intervals_s) > MAX_PERIODIC_DEVIATION * mean(intervals_s):
            return None
        return mean(intervals_s)

    def wakes_last_hour(self, now_s: float) -> int:
        """How often the sensor woke the agent in the last hour."""
        return sum(now_s - wake_s <= 3600 for wake_s in list(self._last_hour_s))

    def max_capture_s(self, now_s: float) -> float:
        """How long a capture may last; less while the sensor counts as faulty."""
        max_s = self._settings.max_capture_s
        return max_s if self.state(now_s) == "ok" else min(MAX_FAULTY_CAPTURE_S, max_s)

    def rest_s(self, capture_s: float, now_s: float) -> float:
        """How long the camera rests after a capture, so that a faulty sensor does not exceed its duty."""
        if self.state(now_s) == "ok":
            return 0.0
        return capture_s * (1 / self._settings.faulty_sensor_duty - 1)

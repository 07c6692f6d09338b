"""Distinguishes a sensor that detects people from one that is stuck, silent, loose or triggers itself."""

import time
from collections import deque
from itertools import pairwise
from statistics import mean, pstdev
from typing import Literal

from mien.messages.health import SensorFault

from .settings import AlwaysOnSettings, MotionSettings

PERIODIC_WAKES = 12
"""This many wakes in a row at regular intervals are caused by the sensor itself: by a heater, a power supply, a faulty
board."""
MAX_PERIODIC_DEVIATION = 0.05
"""Standard deviation of those intervals as a fraction of their mean; for people it is 1 or more."""
BOUNCES = 10
BOUNCE_WINDOW_S = 10.0
"""So many pulses in so short a time come from a loose wire or an open input: a PIR's own delays allow one in two
seconds (HC-SR501 and AM312, data sheets)."""
BOUNCE_NOTICE_S = 120.0
"""They count for this long, so that two health reports say so."""
MAX_WAKES_PER_HOUR = 10_000
"""More are not counted."""
MAX_FAULTY_CAPTURE_S = 20.0
"""Limit of a capture while the sensor counts as faulty."""


class MotionSensorMonitor:
    """Monitors when a sensor wakes the agent. All times are monotonic seconds."""

    def __init__(self, settings: MotionSettings, *, started_s: float | None = None) -> None:
        """`started_s` is when the agent started; now if not given."""
        self._settings = settings
        self._started_s = time.monotonic() if started_s is None else started_s
        self._moved_s: float | None = None
        """When the sensor last reported motion."""
        self._pulses_s: deque[float] = deque(maxlen=BOUNCES)
        self._bounced_s = float("-inf")
        self._wakes_s: deque[float] = deque(maxlen=PERIODIC_WAKES)
        self._last_hour_s: deque[float] = deque(maxlen=MAX_WAKES_PER_HOUR)
        self._moving_since_s: float | None = None

    def record(self, *, is_moving: bool, now_s: float) -> bool:
        """Record a reading of the sensor, whenever it is read; True if it differs from the one before."""
        if is_moving or self._moving_since_s is not None:
            self._moved_s = now_s
        changed = is_moving != (self._moving_since_s is not None)
        if changed and is_moving:
            self._moving_since_s = now_s
            self._wakes_s.append(now_s)
            self._last_hour_s.append(now_s)
        elif changed:
            self._moving_since_s = None
        return changed

    def record_pulse(self, now_s: float) -> None:
        """Record that the sensor's line has gone high, for however short a time; called from any thread."""
        self._pulses_s.append(now_s)
        if len(self._pulses_s) == BOUNCES and now_s - self._pulses_s[0] <= BOUNCE_WINDOW_S:
            self._bounced_s = now_s

    def fault(self, now_s: float) -> SensorFault | None:
        """What is wrong with the sensor; None if nothing is."""
        if isinstance(self._settings, AlwaysOnSettings):
            return None
        if now_s - self._bounced_s < BOUNCE_NOTICE_S:
            return "bouncing"
        if self._moving_since_s is not None and now_s - self._moving_since_s >= self._settings.stuck_after_s:
            return "stuck_high"
        if now_s - (self._started_s if self._moved_s is None else self._moved_s) >= self._settings.silent_after_s:
            return "stuck_low" if self._moved_s is None else "silent"
        return "periodic" if self.period_s is not None else None

    def state(self, now_s: float) -> Literal["ok", "stuck", "periodic"]:
        """stuck: the sensor reports motion that is none. periodic: it wakes the agent at regular intervals."""
        fault = self.fault(now_s)
        if fault == "periodic":
            return "periodic"
        return "stuck" if fault in ("stuck_high", "bouncing") else "ok"

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

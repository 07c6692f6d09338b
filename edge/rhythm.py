"""Tells a sensor that sees people from one that is stuck or triggers itself."""

from collections import deque
from itertools import pairwise
from statistics import mean, pstdev
from typing import Literal

from .settings import Motion

PERIODIC_WAKES = 12
"""So many wakes in a row at the same distance are a sensor's own doing: a heater, a power supply, a board's fault."""
PERIODIC_SPREAD = 0.05
"""Deviation of those distances, as a share of their mean; people come and go by a share of one and more."""
COUNTED_WAKES = 10_000
"""In an hour, at most."""
CAPTURE_S = 20.0
"""The longest capture while the sensor is not believed."""


class Rhythm:
    """The times at which a sensor wakes the agent. All times are monotonic seconds."""

    def __init__(self, settings: Motion) -> None:
        self._settings = settings
        self._wakes: deque[float] = deque(maxlen=PERIODIC_WAKES)
        self._last_hour: deque[float] = deque(maxlen=COUNTED_WAKES)
        self._since: float | None = None

    def note(self, *, moving: bool, now_s: float) -> bool:
        """Take in what the sensor says, whenever it is asked; whether that has changed."""
        changed = moving != (self._since is not None)
        if changed and moving:
            self._since = now_s
            self._wakes.append(now_s)
            self._last_hour.append(now_s)
        elif changed:
            self._since = None
        return changed

    def state(self, now_s: float) -> Literal["ok", "stuck", "periodic"]:
        """stuck: it has reported movement without a break for `stuck_after_s`. periodic: it wakes at even distances."""
        if self._settings.kind == "always":
            return "ok"
        if self._since is not None and now_s - self._since >= self._settings.stuck_after_s:
            return "stuck"
        return "periodic" if self.period_s is not None else "ok"

    @property
    def period_s(self) -> float | None:
        """The distance of the last wakes, if it is the same from each to the next."""
        distances = [later - earlier for earlier, later in pairwise(list(self._wakes))]
        if len(distances) < PERIODIC_WAKES - 1 or pstdev(distances) > PERIODIC_SPREAD * mean(distances):
            return None
        return mean(distances)

    def wakes_last_hour(self, now_s: float) -> int:
        """How often the sensor has woken the agent in the last hour."""
        return sum(now_s - woken_s <= 3600 for woken_s in list(self._last_hour))

    def longest_capture_s(self, now_s: float) -> float:
        """How long a capture may last: not long while the sensor is not believed."""
        longest_s = self._settings.longest_capture_s
        return longest_s if self.state(now_s) == "ok" else min(CAPTURE_S, longest_s)

    def rest_s(self, capture_s: float, now_s: float) -> float:
        """How long the camera rests after a capture: a sensor that is not believed gets no more than its share."""
        if self.state(now_s) == "ok":
            return 0.0
        return capture_s * (1 / self._settings.unbelieved_duty - 1)

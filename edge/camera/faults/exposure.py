"""Recognizes a camera whose exposure does not settle: its images become brighter and darker in turn."""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from .image_checks import STRIDE

GRID_CELLS = (8, 6)
"""A change of brightness is the median of those of so many parts of the image: nobody in front of half of it counts."""
MIN_JUMP = 20.0
"""Gray levels between a bright and a dark image."""
MAX_TURNS = 8
WINDOW_S = 20.0
"""The brightness may turn fewer times than MAX_TURNS in this time: a lamp switched on and off turns it twice."""
MAX_GAP_S = 2.0
"""After this long without an image, brightness is compared anew."""


class ExposureMonitor:
    """Counts how often the brightness of a camera's images turns from rising to falling and back."""

    def __init__(self) -> None:
        self._turns_s: deque[float] = deque(maxlen=MAX_TURNS)
        self._grid: NDArray[np.float32] | None = None
        self._brightness = self._lowest = self._highest = 0.0
        """All changes added up, and their extremes since the last turn."""
        self._is_rising: bool | None = None
        self._updated_s = float("-inf")

    def update(self, gray: NDArray[np.uint8], now_s: float) -> bool:
        """Add the next (height, width) image, at monotonic time `now_s`; True while the exposure jumps."""
        grid = cv2.resize(gray[::STRIDE, ::STRIDE], GRID_CELLS, interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._grid is None or now_s - self._updated_s > MAX_GAP_S:
            self._turns_s.clear()
            self._is_rising = None
            self._brightness = self._lowest = self._highest = 0.0
        else:
            self._brightness += float(np.median(grid - self._grid))
        self._grid, self._updated_s = grid, now_s
        brightness = self._brightness
        self._lowest, self._highest = min(self._lowest, brightness), max(self._highest, brightness)
        if self._is_rising is not True and brightness >= self._lowest + MIN_JUMP:
            self._turn(brightness, now_s, is_rising=True)
        elif self._is_rising is not False and brightness <= self._highest - MIN_JUMP:
            self._turn(brightness, now_s, is_rising=False)
        return len(self._turns_s) == MAX_TURNS and now_s - self._turns_s[0] <= WINDOW_S

    def _turn(self, brightness: float, now_s: float, *, is_rising: bool) -> None:
        self._is_rising = is_rising
        self._lowest = self._highest = brightness
        self._turns_s.append(now_s)

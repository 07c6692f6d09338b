"""Detects motion by the differences between frames, for devices without a PIR sensor."""

from collections.abc import Callable

import cv2
import numpy as np

from mien.edge.camera.frame import Frame
from mien.edge.timer import REAL_TIME, Timer

from .sensor import SensorWithoutResources
from .settings import FrameDifferenceSettings

COMPARISON_INTERVAL_S = 0.25
"""Between two compared frames: nobody walks past in less, and it costs a Pi Zero little."""
COMPARISON_SIZE_PX = (80, 60)
"""Width and height: camera noise averages out, but a face across the room still covers some pixels."""
MIN_CHANGE = 20
"""Minimum brightness change of a pixel, of 255, after subtracting the change of the whole image (a cloud, a lamp, the
camera's exposure)."""


class FrameDifferenceSensor(SensorWithoutResources):
    """Compares each frame with an earlier one."""

    is_warming_up = False

    def __init__(
        self,
        settings: FrameDifferenceSettings,
        newest_frame: Callable[[], Frame | None],
        timer: Timer = REAL_TIME,
    ) -> None:
        """`newest_frame` returns the camera's newest frame, possibly the same as before, or None if there is none."""
        self._threshold = settings.motion_threshold
        self._newest_frame = newest_frame
        self._timer = timer
        self._previous: tuple[float, np.ndarray] | None = None
        """Time of arrival and scaled image of the last compared frame."""
        self._is_moving = False

    def wait(self, timeout_s: float) -> bool:
        """Block until there is motion; False if there is none in time."""
        deadline_s = self._timer.now_s() + timeout_s
        while not self.is_moving:
            if (remaining_s := deadline_s - self._timer.now_s()) <= 0:
                return False
            self._timer.sleep(min(COMPARISON_INTERVAL_S, remaining_s))
        return True

    @property
    def is_moving(self) -> bool:
        """Whether the image changed between the last two compared frames."""
        frame = self._newest_frame()
        if frame is None:
            self._previous, self._is_moving = None, False
        elif self._previous is None or frame.arrived_s - self._previous[0] >= COMPARISON_INTERVAL_S:
            scaled = cv2.resize(frame.gray, COMPARISON_SIZE_PX, interpolation=cv2.INTER_AREA).astype(np.int16)
            if self._previous is not None:
                change = scaled - self._previous[1]
                change -= np.int16(np.median(change))
                self._is_moving = bool(np.mean(np.abs(change) >= MIN_CHANGE) >= self._threshold)
            self._previous = frame.arrived_s, scaled
        return self._is_moving

"""Detects motion by the differences between frames, for devices without a PIR sensor."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.camera.frame import Frame
from mien.edge.timer import REAL_TIME, Timer

from .sensor import SensorWithoutResources
from .settings import FrameDifferenceSettings

COMPARISON_INTERVAL_S = 0.25
"""Between two compared frames: nobody walks past in less, and it costs a Pi Zero little."""
COMPARISON_SIZE_PX = (80, 60)
"""Width and height: camera noise averages out, but a face across the room still covers some pixels."""
MIN_CHANGE = 20
"""Minimum brightness change of a pixel, of 255, after subtracting the change of the whole image (a cloud, the camera's
exposure)."""
SURROUNDINGS_PX = 15
"""Side of the square that a pixel's contrast is relative to: light falls off slowly, people end abruptly."""
MIN_CONTRAST_CHANGE = 0.08
"""Minimum change of a pixel's contrast to its surroundings, as a fraction: more or less light changes all of them
alike."""
DARKNESS = 16.0
"""Added to the brightness of the surroundings, so that noise in the dark is no contrast."""
LIGHT_CHANGE, LIGHT_SHARE, LIGHT_CONTRAST_SHARE = 8.0, 0.5, 0.15
"""If so large a share of the image becomes brighter, or darker, by this much and so little of it changes its contrast,
the light has changed, and nobody has come."""
LIGHT_PAUSE_S = 1.0
"""For so long, the shadows of a lamp and the camera's exposure are no motion."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """A compared frame."""

    arrived_s: float
    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    """To the surroundings of each pixel; it is the same in any light."""

    @classmethod
    def of(cls, frame: Frame) -> "_Scene":
        brightness = cv2.resize(frame.gray, COMPARISON_SIZE_PX, interpolation=cv2.INTER_AREA).astype(np.float32)
        size = SURROUNDINGS_PX, SURROUNDINGS_PX
        surroundings = cv2.blur(brightness, size, borderType=cv2.BORDER_REPLICATE).astype(np.float32)
        return cls(frame.arrived_s, brightness, (brightness - surroundings) / (surroundings + np.float32(DARKNESS)))


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
        self._previous: _Scene | None = None
        self._light_changed_s = float("-inf")
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
        """Whether something moved between the last two compared frames, and not only the light changed."""
        frame = self._newest_frame()
        if frame is None:
            self._previous, self._is_moving = None, False
        elif self._previous is None or frame.arrived_s - self._previous.arrived_s >= COMPARISON_INTERVAL_S:
            scene = _Scene.of(frame)
            if self._previous is not None:
                self._is_moving = self._compare(self._previous, scene)
            self._previous = scene
        return self._is_moving

    def _compare(self, before: _Scene, now: _Scene) -> bool:
        change = now.brightness - before.brightness
        has_other_contrast = np.abs(now.contrast - before.contrast) >= MIN_CONTRAST_CHANGE
        changed_share = max(float(np.mean(change >= LIGHT_CHANGE)), float(np.mean(change <= -LIGHT_CHANGE)))
        if changed_share >= LIGHT_SHARE and float(has_other_contrast.mean()) <= LIGHT_CONTRAST_SHARE:
            self._light_changed_s = now.arrived_s
        if now.arrived_s - self._light_changed_s < LIGHT_PAUSE_S:
            return False
        has_changed = np.abs(change - np.median(change)) >= MIN_CHANGE
        return float(np.mean(has_changed & has_other_contrast)) >= self._threshold

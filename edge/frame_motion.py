"""Motion by what changes in the picture, for those who have no PIR sensor."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from .frame import Frame
from .settings import Motion

LOOK_S = 0.25
"""Between two looks: nobody walks past in less, and a Pi Zero has other things to do."""
SIZE = (80, 60)
"""Pixels that are compared: noise of the camera averages out, a face across the room is still some."""
LEAST_CHANGE = 20
"""Of 255, beside what the whole picture has become brighter or darker: a cloud, a lamp, the camera's exposure."""


class FrameMotion:
    """Compares each look with the one before."""

    settling = False

    def __init__(self, settings: Motion, newest: Callable[[], Frame | None]) -> None:
        """`newest` gives a camera's newest frame, which may be the last one again, or None while there is none."""
        self._changed_share = settings.changed_share
        self._newest = newest
        self._seen: tuple[float, np.ndarray] | None = None
        self._moved = False

    def wait(self, timeout_s: float) -> bool:
        """Block until something moves; False if nothing did in time."""
        ends_s = time.monotonic() + timeout_s
        while not self.moving:
            if (left_s := ends_s - time.monotonic()) <= 0:
                return False
            time.sleep(min(LOOK_S, left_s))
        return True

    @property
    def moving(self) -> bool:
        """Whether the picture has changed between the last two looks."""
        frame = self._newest()
        if frame is None:
            self._seen, self._moved = None, False
        elif self._seen is None or frame.arrived_s - self._seen[0] >= LOOK_S:
            small = cv2.resize(frame.gray, SIZE, interpolation=cv2.INTER_AREA).astype(np.int16)
            if self._seen is not None:
                change = small - self._seen[1]
                change -= np.int16(np.median(change))
                self._moved = bool(np.mean(np.abs(change) >= LEAST_CHANGE) >= self._changed_share)
            self._seen = frame.arrived_s, small
        return self._moved

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

"""Follows faces from frame to frame, so that they need not be looked for in each."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.faces import Box, FaceDetector

SIDE = 32
"""Pixels to which a face is scaled for the search: fine enough for a thirtieth of its size."""
REACH = 0.4
"""How far a face may move from one frame to the next, as a share of its size."""
LEAST_LIKENESS = 0.6
"""Normalised correlation with what the detector saw; below it the face has turned away or gone."""
STALE_S = 1.0
"""After so long without a frame nothing is where it was."""


@dataclass(slots=True)
class _Followed:
    box: Box
    look: NDArray[np.uint8]
    """(SIDE, SIDE): the face as the detector found it."""


class FollowingDetector:
    """A face detector that looks in every so-many-th frame only, by template matching in between (Lewis, 1995)."""

    def __init__(self, detector: FaceDetector, *, every: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._detector = detector
        self._every = every
        self._now_s = now_s
        self._number = 0
        self._seen_s = -STALE_S
        self._shape: tuple[int, ...] = ()
        self._followed: list[_Followed] = []

    def find(self, gray: NDArray[np.uint8]) -> list[Box]:
        """As every detector."""
        now_s = self._now_s()
        if now_s - self._seen_s >= STALE_S or gray.shape != self._shape:
            self._number = 0
        self._shape = gray.shape
        self._seen_s = now_s
        if self._number % self._every == 0:
            boxes = self._detector.find(gray)
            self._followed = [_Followed(box, _scaled(box.crop(gray), SIDE)) for box in boxes]
        else:
            self._followed = [one for one in self._followed if self._follow(one, gray)]
        self._number += 1
        return [one.box for one in self._followed]

    @staticmethod
    def _follow(one: _Followed, gray: NDArray[np.uint8]) -> bool:
        """Whether the face is still near where it was; its box is then moved."""
        box = one.box
        reach = round(box.side * REACH)
        height, width = gray.shape
        left, top = max(0, box.left - reach), max(0, box.top - reach)
        right, bottom = min(width, box.left + box.side + reach), min(height, box.top + box.side + reach)
        scale = SIDE / box.side
        size = max(SIDE, round((right - left) * scale)), max(SIDE, round((bottom - top) * scale))
        near = cv2.resize(gray[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
        _, likeness, _, (across, down) = cv2.minMaxLoc(cv2.matchTemplate(near, one.look, cv2.TM_CCOEFF_NORMED))
        if likeness < LEAST_LIKENESS:
            return False
        one.box = Box(
            left=min(width - box.side, left + round(across / scale)),
            top=min(height - box.side, top + round(down / scale)),
            side=box.side,
        )
        return True


def _scaled(crop: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

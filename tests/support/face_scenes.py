"""Frames with a face at a known place."""

from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.camera.demo_camera import PORTRAIT
from mien.face_detection.box import Box

FACE = Box(left=75, top=68, side=100)
"""In the portrait: from temple to temple, from hairline to chin."""
BACKGROUND = 96


class Scene:
    """A BGR frame of 640x480, with the portrait at some places."""

    def __init__(self) -> None:
        self.frame = np.full((480, 640, 3), BACKGROUND, np.uint8)
        self.faces: list[Box] = []

    def add(self, left: int, top: int, *, scale: float = 1.0) -> Self:
        """Add the portrait at a place, `scale` times its size of 240x260."""
        portrait = cv2.imread(str(PORTRAIT))
        assert portrait is not None
        scaled = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self.frame[top : top + len(scaled), left : left + scaled.shape[1]] = scaled
        self.faces.append(Box(left + round(FACE.left * scale), top + round(FACE.top * scale), round(FACE.side * scale)))
        return self

    @property
    def gray(self) -> NDArray[np.uint8]:
        return cv2.cvtColor(self.frame, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)

"""The interface of all face detectors."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.face_detection.box import Box


class FaceDetector(Protocol):
    """Detects the faces in one image; keeps nothing from one image to the next."""

    def detect(self, gray: NDArray[np.uint8]) -> list[Box]:
        """Square boxes inside a gray (height, width) frame, largest first; empty if there is no face."""
        ...

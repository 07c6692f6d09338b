"""Detects frontal faces with OpenCV's Haar cascade."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.face_detection.box import Box, fit_square, shrink_to_width

SCALE_STEP = 1.1
"""Factor between successive search sizes; 1.05 detects few more faces in twice the time."""

MIN_CONTRAST, TARGET_CONTRAST, MAX_GAIN = 8.0, 20.0, 12.0
"""A frame with a contrast (standard deviation, of 255) below the minimum, as in the dark, is stretched to the target:
OpenCV's cascade skips regions that are nearly flat. A higher target would clip. All other frames are searched
unchanged: equalizing their histograms, as many do, made the search 1.8 times slower and detected fewer faces
(`benchmarks/detection.py`)."""


class HaarDetector:
    """OpenCV's frontal Haar cascade alt2 (Viola and Jones, 2001; tree-based training by Lienhart, 2003).

    Of OpenCV's frontal cascades, it missed the fewest frames of a moving face at the same number of false positives.
    """

    def __init__(
        self, *, working_width: int = 320, min_face_px: int = 40, min_neighbors: int = 3, margin: float = 0.02
    ) -> None:
        """Parameters as in `mien.edge.vision.settings`: sizes in pixels of the working image; `margin` is a fraction of
        the face's width."""
        self._working_width = working_width
        self._min_face_px = min_face_px
        self._min_neighbors = min_neighbors
        self._margin = margin
        cascade = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
        self._cascade = cv2.CascadeClassifier(str(cascade))

    def detect(self, gray: NDArray[np.uint8]) -> list[Box]:
        """Square boxes inside a gray (height, width) frame, largest first; empty if there is no face."""
        small, factor = shrink_to_width(gray, self._working_width)
        rectangles = self._cascade.detectMultiScale(
            _stretch_contrast(small),
            scaleFactor=SCALE_STEP,
            minNeighbors=self._min_neighbors,
            minSize=(self._min_face_px, self._min_face_px),
        )
        boxes = [
            fit_square(gray, *[length * factor for length in rectangle], margin=self._margin)
            for rectangle in rectangles
        ]
        return sorted(boxes, key=lambda box: box.side, reverse=True)


def _stretch_contrast(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frame itself, or, if its contrast is too low, the frame stretched around mean gray."""
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(gray))
    if deviation >= MIN_CONTRAST:
        return gray
    gain = min(MAX_GAIN, TARGET_CONTRAST / max(deviation, 1e-3))
    return cv2.addWeighted(gray, gain, gray, 0.0, 128 - gain * mean).astype(np.uint8, copy=False)

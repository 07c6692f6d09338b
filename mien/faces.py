"""Finds faces in a frame and crops them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

SCALE_STEP = 1.1
"""Between the sizes at which the detector looks; 1.05 finds little more in twice the time."""


LEAST_CONTRAST, CONTRAST, LARGEST_GAIN = 8.0, 20.0, 12.0
"""A frame with less contrast (standard deviation, of 255) than the first, in the dark say, gets the second: OpenCV's
cascade passes over what is nearly flat. More would clip. All other frames are searched as they are: equalising their
histograms, as many do, made the search 1.8 times slower and found fewer faces (`benchmarks/detection.py`)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A square around a face, in pixels of the frame."""

    left: int
    top: int
    side: int

    def overlap(self, other: "Box") -> float:
        """Intersection over union: 1 for the same box, 0 for boxes apart."""
        width = min(self.left + self.side, other.left + other.side) - max(self.left, other.left)
        height = min(self.top + self.side, other.top + other.side) - max(self.top, other.top)
        shared = max(0, width) * max(0, height)
        return shared / (self.side**2 + other.side**2 - shared)

    def crop(self, gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of a (height, width) frame inside the box."""
        return gray[self.top : self.top + self.side, self.left : self.left + self.side]

    def fractions(self, gray: NDArray[np.uint8]) -> tuple[float, float, float, float]:
        """Left, top, width and height as fractions of the frame."""
        height, width = gray.shape
        return (
            round(self.left / width, 4),
            round(self.top / height, 4),
            round(self.side / width, 4),
            round(self.side / height, 4),
        )


def square(gray: NDArray[np.uint8], left: float, top: float, width: float, height: float, *, margin: float) -> Box:
    """A square around the middle of a rectangle, as wide as that and a margin on each side, inside a grey frame.

    It is moved into the frame and, where it is larger, cut down to it.
    """
    frame_height, frame_width = gray.shape
    side = min(round(width * (1 + 2 * margin)), frame_height, frame_width)
    return Box(
        left=min(max(0, round(left + (width - side) / 2)), frame_width - side),
        top=min(max(0, round(top + (height - side) / 2)), frame_height - side),
        side=side,
    )


def shrunk(gray: NDArray[np.uint8], working_width: int) -> tuple[NDArray[np.uint8], float]:
    """A grey frame at no more than a width, and how many of its pixels make one there."""
    height, width = gray.shape
    if width <= working_width:
        return gray, 1.0
    shrink = width / working_width
    size = working_width, round(height / shrink)
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), shrink


class FaceDetector(Protocol):
    """Finds faces."""

    def find(self, gray: NDArray[np.uint8]) -> list[Box]:
        """Square boxes inside a grey (height, width) frame, largest first; none if there is no face."""
        ...


class HaarDetector:
    """OpenCV's frontal Haar cascade alt2 (Viola and Jones, 2001; tree-based training by Lienhart, 2003).

    Of OpenCV's frontal cascades it lost the fewest frames of a moving face at the same number of false ones.
    """

    def __init__(
        self, *, working_width: int = 320, smallest: int = 40, neighbours: int = 3, margin: float = 0.02
    ) -> None:
        """The fields of `mien.edge.settings.Faces`: pixels of the working picture, and a share of the face's width."""
        self._working_width = working_width
        self._smallest = smallest
        self._neighbours = neighbours
        self._margin = margin
        cascade = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
        self._cascade = cv2.CascadeClassifier(str(cascade))

    def find(self, gray: NDArray[np.uint8]) -> list[Box]:
        small, shrink = shrunk(gray, self._working_width)
        hits = self._cascade.detectMultiScale(
            _with_contrast(small),
            scaleFactor=SCALE_STEP,
            minNeighbors=self._neighbours,
            minSize=(self._smallest, self._smallest),
        )
        boxes = [square(gray, *[length * shrink for length in hit], margin=self._margin) for hit in hits]
        return sorted(boxes, key=lambda box: box.side, reverse=True)


def _with_contrast(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mean, deviation = (float(one[0, 0]) for one in cv2.meanStdDev(gray))
    if deviation >= LEAST_CONTRAST:
        return gray
    gain = min(LARGEST_GAIN, CONTRAST / max(deviation, 1e-3))
    return cv2.addWeighted(gray, gain, gray, 0.0, 128 - gain * mean).astype(np.uint8, copy=False)

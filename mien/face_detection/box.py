"""A square box around a face, how it is fitted into a frame, and the part of a frame that a detector searches."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Region(NamedTuple):
    """A part of a frame, in pixels of the frame."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Box:
    """A square around a face, in pixels of the frame."""

    left: int
    top: int
    side: int

    def iou(self, other: "Box") -> float:
        """Intersection over union: 1 for the same box, 0 for disjoint boxes."""
        width = min(self.left + self.side, other.left + other.side) - max(self.left, other.left)
        height = min(self.top + self.side, other.top + other.side) - max(self.top, other.top)
        intersection = max(0, width) * max(0, height)
        return intersection / (self.side**2 + other.side**2 - intersection)

    def crop(self, gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of a (height, width) frame inside the box."""
        return gray[self.top : self.top + self.side, self.left : self.left + self.side]

    def to_fractions(self, frame: NDArray[np.uint8]) -> tuple[float, float, float, float]:
        """Left, top, width and height as fractions of the frame's width and height."""
        height, width = frame.shape[:2]
        return (
            round(self.left / width, 4),
            round(self.top / height, 4),
            round(self.side / width, 4),
            round(self.side / height, 4),
        )


def fit_square(frame: NDArray[np.uint8], left: float, top: float, width: float, height: float, *, margin: float) -> Box:
    """A square around the center of a rectangle, as wide as it plus a margin on each side, inside a frame.

    `margin` is a fraction of the rectangle's width. The square is shrunk to the frame if it is larger, and moved into
    the frame if it extends beyond it.
    """
    frame_height, frame_width = frame.shape[:2]
    side = max(1, min(round(width * (1 + 2 * margin)), frame_height, frame_width))
    return Box(
        left=min(max(0, round(left + (width - side) / 2)), frame_width - side),
        top=min(max(0, round(top + (height - side) / 2)), frame_height - side),
        side=side,
    )

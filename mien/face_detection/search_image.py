"""The part of a frame that a detector searches, scaled to the size it is searched at, and the way back to the frame."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.face_detection.box import Region
from mien.face_detection.halving import halve


@dataclass(frozen=True, slots=True)
class SearchImage:
    """What a detector searches."""

    image: NDArray[np.uint8]
    """Contiguous, (height, width) gray or (height, width, 3) BGR; empty if the region is outside the frame."""
    left: int
    top: int
    """Where it begins in the frame."""
    factor: float
    """From its pixels to those of the frame."""

    @classmethod
    def of_frame(cls, frame: NDArray[np.uint8], max_width: int) -> Self:
        """A whole frame, scaled down to a width if it is wider."""
        factor = max(1.0, frame.shape[1] / max_width)
        return cls(_scale(frame, 1 / factor, cv2.INTER_AREA), 0, 0, factor)

    @classmethod
    def of_region(cls, frame: NDArray[np.uint8], region: Region, side: int) -> Self:
        """The part of a region that is inside the frame, with its longer side scaled, down or up, to `side`."""
        height, width = frame.shape[:2]
        left, top = min(width, max(0, region.left)), min(height, max(0, region.top))
        right, bottom = max(left, region.left + region.width), max(top, region.top + region.height)
        part = frame[top:bottom, left:right]
        if not part.size:
            return cls(part, left, top, 1.0)
        halved, factor = halve(part, side)
        scale = side / max(halved.shape[:2])
        return cls(_scale(halved, scale, cv2.INTER_LINEAR), left, top, factor / scale)


def _scale(image: NDArray[np.uint8], scale: float, interpolation: int) -> NDArray[np.uint8]:
    if scale == 1.0:
        return np.ascontiguousarray(image)
    height, width = image.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=interpolation).astype(np.uint8, copy=False)

"""A detected face: where it is, how certain the detector is, and its landmarks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.face_detection.box import Box


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """A detected face, in pixels of the frame. Its landmarks stay in memory: they are never sent, logged or stored."""

    box: Box
    """The square to crop, with the detector's margin, inside the frame."""
    score: float
    """The detector's confidence, 0 to 1; 1 from the Haar cascade, which has none."""
    landmarks: NDArray[np.float32] | None = None
    """(5, 2), x and y: the eyes, the tip of the nose and the corners of the mouth, the one further left in an upright
    image first; None from the Haar cascade."""
    roll_degrees: float = 0.0
    """How far the face is turned clockwise in the image, -180 to 180; 0 if the detector does not tell."""
    cut_off: float = 0.0
    """The fraction of the detector's own rectangle, without a margin, that is beyond the frame."""

    def __repr__(self) -> str:
        return f"Face({self.box}, score={self.score:.2f})"  # without the landmarks, in case one is logged

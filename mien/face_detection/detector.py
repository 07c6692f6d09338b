"""The interface of all face detectors."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.face_detection.box import Region
from mien.face_detection.face import Face


class FaceDetector(Protocol):
    """Detects the faces in one image; keeps nothing from one image to the next."""

    def detect(self, frame: NDArray[np.uint8], *, region: Region | None = None) -> list[Face]:
        """The faces in a (height, width) gray or (height, width, 3) BGR frame, largest first; empty if there is none.

        A whole frame is scaled down to the detector's working width. With a region only that part of the frame is
        searched, from the frame's own pixels, scaled to a size that makes faces of about half its side quick to detect.
        Boxes and landmarks are always in pixels of the frame.
        """
        ...

"""Detects frontal faces with OpenCV's Haar cascade."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import ConfigurationError
from mien.face_detection.box import Region, fit_square
from mien.face_detection.contrast import stretch_contrast
from mien.face_detection.face import Face
from mien.face_detection.search_image import SearchImage

CASCADE = "haarcascade_frontalface_alt2.xml"
SCALE_STEP = 1.1
"""Factor between successive search sizes; 1.05 detects few more faces in twice the time."""
REGION_SIDE_PX = 160
"""A region is scaled to this size."""
MIN_SHARE = 0.25
"""Of the region's side: the smallest face that is searched in it."""


class HaarDetector:
    """OpenCV's frontal Haar cascade alt2 (Viola and Jones, 2001; tree-based training by Lienhart, 2003).

    Of OpenCV's frontal cascades, it missed the fewest frames of a moving face at the same number of false positives.
    """

    def __init__(
        self, *, working_width: int = 640, min_face_px: int = 40, min_neighbors: int = 3, margin: float = 0.02
    ) -> None:
        """Parameters as in `mien.edge.vision.settings`: sizes in pixels of the working image; `margin` is a fraction of
        the face's width. ConfigurationError if this OpenCV has no cascades, as OpenCV 5."""
        self._working_width = working_width
        self._min_face_px = min_face_px
        self._min_neighbors = min_neighbors
        self._margin = margin
        cascade = Path(cv2.__file__).parent / "data" / CASCADE
        if not hasattr(cv2, "CascadeClassifier") or not cascade.exists():
            raise ConfigurationError(
                f'OpenCV {cv2.__version__} has no Haar cascades: set faces.detector = "yunet", or install OpenCV 4 '
                "with pip install 'opencv-python-headless<5'"
            )
        self._cascade = cv2.CascadeClassifier(str(cascade))

    def detect(self, frame: NDArray[np.uint8], *, region: Region | None = None) -> list[Face]:
        """Faces as for `FaceDetector.detect`, without landmarks."""
        if region is None:
            search, min_face_px = SearchImage.of_frame(frame, self._working_width), self._min_face_px
        else:
            search = SearchImage.of_region(frame, region, REGION_SIDE_PX)
            min_face_px = round(REGION_SIDE_PX * MIN_SHARE)
        gray = search.image
        if min(gray.shape[:2]) < min_face_px:
            return []
        if gray.ndim == 3:
            gray = cv2.cvtColor(gray, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        rectangles = self._cascade.detectMultiScale(
            stretch_contrast(gray),
            scaleFactor=SCALE_STEP,
            minNeighbors=self._min_neighbors,
            minSize=(min_face_px, min_face_px),
        )
        faces = []
        for rectangle in rectangles:
            left, top, width, height = (length * search.factor for length in rectangle)
            box = fit_square(frame, search.left + left, search.top + top, width, height, margin=self._margin)
            faces.append(Face(box=box, score=1.0))
        return sorted(faces, key=lambda face: face.box.side, reverse=True)

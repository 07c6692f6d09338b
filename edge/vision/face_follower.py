"""Locates faces in a stream of frames: detects them in every n-th frame, and follows them in between."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.face_detection.box import Box
from mien.face_detection.detector import FaceDetector

TEMPLATE_SIZE_PX = 32
"""Side to which a face is scaled for matching: accurate to about a thirtieth of its size."""
SEARCH_MARGIN = 0.4
"""How far a face may move from one frame to the next, as a fraction of its size."""
MIN_CORRELATION = 0.6
"""Normalized correlation with the detected face; below it the face has turned away or left."""
MAX_FRAME_GAP_S = 1.0
"""After this long without a frame, faces are no longer where they were."""


@dataclass(slots=True)
class _FollowedFace:
    box: Box
    template: NDArray[np.uint8]
    """(TEMPLATE_SIZE_PX, TEMPLATE_SIZE_PX): the face when it was detected."""


class FaceFollower:
    """The faces in the frames of one camera or one video, in order; followed by template matching (Lewis, 1995)."""

    def __init__(self, detector: FaceDetector, *, detect_every: int) -> None:
        """`detect_every`: run the detector on every n-th frame only."""
        self._detector = detector
        self._detect_every = detect_every
        self._frame_number = 0
        self._last_frame_s = float("-inf")
        self._shape: tuple[int, ...] = ()
        self._faces: list[_FollowedFace] = []

    def locate(self, gray: NDArray[np.uint8], now_s: float) -> list[Box]:
        """Square boxes inside a gray (height, width) frame, largest first; empty if there is no face.

        `now_s` is the time of the frame. After a gap in time or another frame size, the detector runs at once.
        """
        if self._detect_every == 1:
            return self._detector.detect(gray)
        if now_s - self._last_frame_s >= MAX_FRAME_GAP_S or gray.shape != self._shape:
            self._frame_number = 0
        self._shape = gray.shape
        self._last_frame_s = now_s
        if self._frame_number % self._detect_every == 0:
            boxes = self._detector.detect(gray)
            self._faces = [_FollowedFace(box, _scale_to_template(box.crop(gray))) for box in boxes]
        else:
            self._faces = [face for face in self._faces if _follow(face, gray)]
        self._frame_number += 1
        return [face.box for face in self._faces]


def _follow(face: _FollowedFace, gray: NDArray[np.uint8]) -> bool:
    """Search for the face near its last position and move its box there; False if it is gone."""
    box = face.box
    margin = round(box.side * SEARCH_MARGIN)
    height, width = gray.shape
    left, top = max(0, box.left - margin), max(0, box.top - margin)
    right, bottom = min(width, box.left + box.side + margin), min(height, box.top + box.side + margin)
    scale = TEMPLATE_SIZE_PX / box.side
    size = (
        max(TEMPLATE_SIZE_PX, round((right - left) * scale)),
        max(TEMPLATE_SIZE_PX, round((bottom - top) * scale)),
    )
    search_area = cv2.resize(gray[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    correlations = cv2.matchTemplate(search_area, face.template, cv2.TM_CCOEFF_NORMED)
    _, correlation, _, (offset_x, offset_y) = cv2.minMaxLoc(correlations)
    if correlation < MIN_CORRELATION:
        return False
    face.box = Box(
        left=min(width - box.side, left + round(offset_x / scale)),
        top=min(height - box.side, top + round(offset_y / scale)),
        side=box.side,
    )
    return True


def _scale_to_template(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = TEMPLATE_SIZE_PX, TEMPLATE_SIZE_PX
    return cv2.resize(crop, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

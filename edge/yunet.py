"""OpenCV's small face network, for faces that are turned or tilted."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import ModelError
from mien.faces import Box, shrunk, square

LEAST_SCORE = 0.7
NMS_OVERLAP = 0.3


class YuNetDetector:
    """YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) through OpenCV's FaceDetectorYN."""

    def __init__(self, model: Path, *, working_width: int, smallest: int, margin: float) -> None:
        """The fields of `mien.edge.settings.Faces`. ModelError if the file is missing or no YuNet."""
        self._working_width = working_width
        self._smallest = smallest
        self._margin = margin
        try:
            self._network = cv2.FaceDetectorYN.create(str(model), "", (0, 0), LEAST_SCORE, NMS_OVERLAP)
            self._hits(np.zeros((64, 64), np.uint8))
        except (cv2.error, SystemError) as error:
            why = str(error).strip().splitlines()[-1]
            cure = "get face_detection_yunet_2023mar.onnx of the OpenCV Zoo"
            raise ModelError(f"{model} cannot be read as a YuNet ({why}): {cure}") from error

    def find(self, gray: NDArray[np.uint8]) -> list[Box]:
        """Square boxes inside a grey (height, width) frame, largest first; none if there is no face."""
        small, shrink = shrunk(gray, self._working_width)
        boxes = []
        for left, top, width, height in self._hits(small).tolist():
            side = (width + height) / 2  # its rectangles are higher than wide
            if side >= self._smallest:
                hit = left + (width - side) / 2, top + (height - side) / 2, side, side
                boxes.append(square(gray, *(length * shrink for length in hit), margin=self._margin))
        return sorted(boxes, key=lambda box: box.side, reverse=True)

    def _hits(self, small: NDArray[np.uint8]) -> np.ndarray:
        """(faces, 4): left, top, width, height."""
        self._network.setInputSize((small.shape[1], small.shape[0]))
        _, hits = self._network.detect(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))
        return np.empty((0, 4), np.float32) if hits is None else hits[:, :4]

"""Detects faces, including turned or tilted ones, with OpenCV's small neural network YuNet."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import ModelError
from mien.face_detection.box import Box, fit_square, shrink_to_width

MIN_SCORE = 0.7
NMS_OVERLAP = 0.3


class YuNetDetector:
    """YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) through OpenCV's FaceDetectorYN."""

    def __init__(self, model: Path, *, working_width: int, min_face_px: int, margin: float) -> None:
        """Parameters as in `mien.edge.vision.settings`. ModelError if the file is missing or not a YuNet."""
        self._working_width = working_width
        self._min_face_px = min_face_px
        self._margin = margin
        try:
            self._network = cv2.FaceDetectorYN.create(str(model), "", (0, 0), MIN_SCORE, NMS_OVERLAP)
            self._detect_rectangles(np.zeros((64, 64), np.uint8))
        except (cv2.error, SystemError) as error:
            reason = str(error).strip().splitlines()[-1]
            hint = "download face_detection_yunet_2023mar.onnx from the OpenCV Zoo"
            raise ModelError(f"{model} cannot be read as a YuNet model ({reason}): {hint}") from error

    def detect(self, gray: NDArray[np.uint8]) -> list[Box]:
        """Square boxes inside a gray (height, width) frame, largest first; empty if there is no face."""
        small, factor = shrink_to_width(gray, self._working_width)
        boxes = []
        for left, top, width, height in self._detect_rectangles(small).tolist():
            side = (width + height) / 2  # YuNet's rectangles are taller than wide
            if side >= self._min_face_px:
                square = left + (width - side) / 2, top + (height - side) / 2, side, side
                boxes.append(fit_square(gray, *(length * factor for length in square), margin=self._margin))
        return sorted(boxes, key=lambda box: box.side, reverse=True)

    def _detect_rectangles(self, small: NDArray[np.uint8]) -> np.ndarray:
        """(faces, 4) float32: left, top, width, height."""
        self._network.setInputSize((small.shape[1], small.shape[0]))
        _, faces = self._network.detect(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))
        return np.empty((0, 4), np.float32) if faces is None else faces[:, :4]

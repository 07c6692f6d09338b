"""Detects faces, including turned or tilted ones, with OpenCV's small neural network YuNet."""

import hashlib
import math
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import ModelError
from mien.face_detection.box import Region, fit_square
from mien.face_detection.contrast import stretch_contrast
from mien.face_detection.face import Face
from mien.face_detection.search_image import SearchImage

YUNET_MODEL = Path(__file__).parent / "face_detection_yunet_2023mar.onnx"
"""The file that mien ships with: opencv_zoo's, the same as libfacedetection.train's `onnx/yunet_s_640_640.onnx`. Its
licences are beside it."""
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
NMS_OVERLAP = 0.3
LANDMARK_X, LANDMARK_Y = range(4, 14, 2), range(5, 14, 2)
"""Columns of its answer, after left, top, width and height."""
ROLL_GAIN = 1.5
"""YuNet's landmarks turn less than the face does, by about two thirds of its roll in rotated photographs."""
MIN_INPUT_PX = 64
"""Smaller images are padded: on 32 pixels OpenCV's network answers faces at infinity."""
RAISED = 0.01
"""How much higher than YuNet's rectangle the center of FER-2013's crops is, as a fraction of its size."""
REGION_SIDE_PX = 96
"""A region is scaled and padded to this square: faces of half its side are found as surely as in the whole frame, in a
seventh of the time of a frame of 320x240."""


class YuNetDetector:
    """YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) through OpenCV's FaceDetectorYN."""

    def __init__(
        self,
        model: Path = YUNET_MODEL,
        *,
        working_width: int = 320,
        min_face_px: int = 8,
        min_score: float = 0.6,
        margin: float = 0.05,
    ) -> None:
        """Parameters as in `mien.edge.vision.settings`: sizes in pixels of the working image; `margin` is a fraction of
        the face's size, the mean of its width and height. ModelError if the file is missing, damaged or not a YuNet."""
        self._working_width = working_width
        self._min_face_px = min_face_px
        self._margin = margin
        weights = np.frombuffer(_read(model), np.uint8)
        try:
            # a network of its own for regions: a change of the input's size costs as much as a small search
            self._network, self._region_network = (_create_network(weights, min_score) for _ in range(2))
            _detect_rows(self._region_network, np.zeros((REGION_SIDE_PX, REGION_SIDE_PX, 3), np.uint8))
        except (cv2.error, SystemError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"{model} cannot be read as a YuNet model ({reason}): {_hint(model)}") from error

    def detect(self, frame: NDArray[np.uint8], *, region: Region | None = None) -> list[Face]:
        """Faces as for `FaceDetector.detect`, with landmarks."""
        if region is None:
            search = SearchImage.of_frame(frame, self._working_width)
            network, min_width, min_height = self._network, MIN_INPUT_PX, MIN_INPUT_PX
        else:
            search = SearchImage.of_region(frame, region, REGION_SIDE_PX)
            network, min_width, min_height = self._region_network, REGION_SIDE_PX, REGION_SIDE_PX
        if not search.image.size:
            return []
        image = stretch_contrast(search.image)
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
        rows = _detect_rows(network, _pad(image, min_width, min_height))
        sizes = (rows[:, 2] + rows[:, 3]) / 2  # YuNet's rectangles are taller than wide
        rows = rows[np.isfinite(rows).all(axis=1) & (sizes >= self._min_face_px)]
        rows[:, :14] *= search.factor
        rows[:, [0, *LANDMARK_X]] += search.left
        rows[:, [1, *LANDMARK_Y]] += search.top
        return sorted((self._to_face(row, frame) for row in rows), key=lambda face: face.box.side, reverse=True)

    def _to_face(self, row: NDArray[np.float32], frame: NDArray[np.uint8]) -> Face:
        """A face from a row in pixels of the frame."""
        left, top, width, height = row[:4].tolist()
        side = (width + height) / 2
        center_x, center_y = left + width / 2, top + height / 2 - RAISED * side
        frame_height, frame_width = frame.shape[:2]
        visible_width = max(0.0, min(left + width, frame_width) - max(left, 0.0))
        visible_height = max(0.0, min(top + height, frame_height) - max(top, 0.0))
        landmarks = row[4:14].reshape(5, 2).copy()
        return Face(
            box=fit_square(frame, center_x - side / 2, center_y - side / 2, side, side, margin=self._margin),
            score=float(row[14]),
            landmarks=landmarks,
            roll_degrees=_roll_degrees(landmarks),
            cut_off=1.0 - visible_width * visible_height / (width * height),
        )


def _create_network(weights: NDArray[np.uint8], min_score: float) -> cv2.FaceDetectorYN:
    create = partial(cv2.FaceDetectorYN.create, "onnx", weights, np.empty(0, np.uint8), (0, 0), min_score, NMS_OVERLAP)
    if cv2.__version__.startswith("4."):
        return create()
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # OpenCV 5 warns of its own default target
    try:
        return create()
    finally:
        cv2.utils.logging.setLogLevel(level)


def _roll_degrees(landmarks: NDArray[np.float32]) -> float:
    """The roll of the eyes, the mouth and the line between both, which together are steadier than the eyes alone."""
    left_eye, right_eye, _, left_mouth, right_mouth = landmarks.astype(float)
    across = (right_eye - left_eye) + (right_mouth - left_mouth)
    down = (left_mouth + right_mouth) - (left_eye + right_eye)
    roll = ROLL_GAIN * math.degrees(math.atan2(across[1] - down[0], across[0] + down[1]))
    return max(-180.0, min(180.0, roll))


def _detect_rows(network: cv2.FaceDetectorYN, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(faces, 15): left, top, width, height, x and y of five landmarks, score."""
    network.setInputSize((image.shape[1], image.shape[0]))
    _, rows = network.detect(image)
    return np.empty((0, 15), np.float32) if rows is None else rows.astype(np.float32, copy=False)


def _pad(image: NDArray[np.uint8], min_width: int, min_height: int) -> NDArray[np.uint8]:
    """An image with black below and to its right, if it is smaller."""
    height, width = image.shape[:2]
    bottom, right = max(0, min_height - height), max(0, min_width - width)
    if not bottom and not right:
        return image
    return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT).astype(np.uint8, copy=False)


def _read(model: Path) -> bytes:
    """The bytes of a model file; those of the one that mien ships with are compared with its hash."""
    try:
        content = model.read_bytes()
    except OSError as error:
        raise ModelError(f"{model} cannot be read as a YuNet model ({error.strerror}): {_hint(model)}") from error
    if model == YUNET_MODEL and hashlib.sha256(content).hexdigest() != YUNET_SHA256:
        raise ModelError(f"{model} is damaged (its SHA-256 is not that of the release): {_hint(model)}")
    return content


def _hint(model: Path) -> str:
    if model == YUNET_MODEL:
        return "install mien again"
    return f"leave out faces.detector_model, or copy {YUNET_MODEL.name} from the OpenCV Zoo again"

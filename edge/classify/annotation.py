"""Annotated copies of images and videos, with boxes and labels drawn in."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.vision.tracker import FaceResult
from mien.emotions import EMOTIONS
from mien.errors import UsageError

COLORS = {
    "angry": (60, 60, 220),
    "disgust": (60, 160, 60),
    "fear": (190, 90, 150),
    "happy": (40, 190, 250),
    "sad": (210, 130, 50),
    "surprise": (60, 130, 250),
    "neutral": (190, 190, 190),
}
"""BGR."""
SKIPPED_COLOR = (130, 130, 130)
TEXT_COLOR = (20, 20, 20)


def annotate(image: NDArray[np.uint8], faces: Sequence[tuple[int, FaceResult]]) -> NDArray[np.uint8]:
    """A copy of a (height, width, 3) BGR image with a box, track, emotion and confidence for each face.

    Faces that were skipped as too small or blurred have a gray box without a label.
    """
    copy = image.copy()
    scale = max(0.4, min(copy.shape[:2]) / 900)
    thickness = max(1, round(scale * 2))  # of the text; the boxes are one pixel thicker
    for track, face in faces:
        box = face.box
        corner = box.left + box.side, box.top + box.side
        if face.scores is None:
            cv2.rectangle(copy, (box.left, box.top), corner, SKIPPED_COLOR, thickness)
            continue
        index = int(np.argmax(face.scores))
        color = COLORS[EMOTIONS[index]]
        label = f"{track} {EMOTIONS[index]} {face.scores[index]:.2f}"
        (width, height), baseline = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        cv2.rectangle(copy, (box.left, box.top), corner, color, thickness + 1)
        left = min(max(0, box.left), max(0, copy.shape[1] - width - 2 * thickness))
        bottom = max(height + baseline + thickness, box.top)
        label_corners = (left, bottom - height - baseline - thickness), (left + width + 2 * thickness, bottom)
        cv2.rectangle(copy, *label_corners, color, cv2.FILLED)
        origin = left + thickness, bottom - baseline
        cv2.putText(copy, label, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, TEXT_COLOR, thickness, cv2.LINE_AA)
    return copy


class AnnotatedVideo:
    """A new MPEG-4 video; use as a context manager. The file is complete even if the block ends early."""

    def __init__(self, path: Path, *, frames_per_second: float) -> None:
        self._path = path
        self._frames_per_second = frames_per_second
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()

    def append(self, image: NDArray[np.uint8]) -> None:
        """Write one more (height, width, 3) BGR image; all have the same size. UsageError if that is not possible."""
        if self._writer is None:
            height, width = image.shape[:2]
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), codec, self._frames_per_second, (width, height))
            if not self._writer.isOpened():
                raise UsageError(f"cannot write {self._path}: name another folder")
        self._writer.write(image)


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image file in the format of its suffix. UsageError if that is not possible."""
    if not cv2.imwrite(str(path), image):
        raise UsageError(f"cannot write {path}: name another folder")

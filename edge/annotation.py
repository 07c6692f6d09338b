"""Draws what was found into a copy of the picture."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import UsageError

from .tracks import Face

COLOURS = {
    "angry": (60, 60, 220),
    "disgust": (60, 160, 60),
    "fear": (190, 90, 150),
    "happy": (40, 190, 250),
    "sad": (210, 130, 50),
    "surprise": (60, 130, 250),
    "neutral": (190, 190, 190),
}
"""BGR."""
LEFT_OUT = (130, 130, 130)
INK = (20, 20, 20)


def annotated(picture: NDArray[np.uint8], faces: Sequence[tuple[int, Face]]) -> NDArray[np.uint8]:
    """A copy of a (height, width, 3) BGR picture with a box, track, emotion and confidence around each face.

    Faces that were left out, too small or blurred, have a grey box and no words.
    """
    copy = picture.copy()
    scale = max(0.4, min(copy.shape[:2]) / 900)
    thick = max(1, round(scale * 2))  # of letters; a box's sides are one more
    for track, face in faces:
        box = face.box
        corner = box.left + box.side, box.top + box.side
        if face.scores is None:
            cv2.rectangle(copy, (box.left, box.top), corner, LEFT_OUT, thick)
            continue
        place = int(np.argmax(face.scores))
        colour = COLOURS[EMOTIONS[place]]
        words = f"{track} {EMOTIONS[place]} {face.scores[place]:.2f}"
        (width, height), below = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
        cv2.rectangle(copy, (box.left, box.top), corner, colour, thick + 1)
        left = min(max(0, box.left), max(0, copy.shape[1] - width - 2 * thick))
        top = max(height + below + thick, box.top)
        cv2.rectangle(copy, (left, top - height - below - thick), (left + width + 2 * thick, top), colour, cv2.FILLED)
        cv2.putText(copy, words, (left + thick, top - below), cv2.FONT_HERSHEY_SIMPLEX, scale, INK, thick, cv2.LINE_AA)
    return copy


class AnnotatedVideo:
    """A new MPEG-4 video; use as a context manager, and it is whole even if the block ends early."""

    def __init__(self, path: Path, *, rate: float) -> None:
        self._path = path
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()

    def add(self, picture: NDArray[np.uint8]) -> None:
        """One more (height, width, 3) BGR picture, each of the first one's size. UsageError if it cannot be written."""
        if self._writer is None:
            height, width = picture.shape[:2]
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), code, self._rate, (width, height))
            if not self._writer.isOpened():
                raise UsageError(f"cannot write {self._path}: name another folder")
        self._writer.write(picture)


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """A picture file in the form that its name ends with. UsageError if it cannot be written."""
    if not cv2.imwrite(str(path), picture):
        raise UsageError(f"cannot write {path}: name another folder")

"""A video file: its pictures one after another, never more than one of them in memory."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import CameraError

VIDEOS = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"}
USUAL_RATE = 25.0
"""Frames per second of a file that does not say."""
FASTEST_RATE = 1000.0
"""A file that claims more does not know."""


class Video:
    """One video file; use as a context manager. CameraError if OpenCV finds no picture in it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._capture = cv2.VideoCapture(str(file))
        told = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = told if 0 < told <= FASTEST_RATE else USUAL_RATE
        """Pictures per second."""
        self.count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        """Pictures in it, as its header says; 0 if it does not."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._capture.release()

    def pictures(self, rate: float) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Number, from 0, and picture (height, width, 3), BGR, of as many a second as asked for, or all it has."""
        due = 0.0
        number = 0
        while self._capture.grab():
            if number >= due:
                there, picture = self._capture.retrieve()
                if there:
                    yield number, picture.astype(np.uint8, copy=False)
                due += max(1.0, self.rate / rate)
            number += 1
        if number == 0:
            raise CameraError(f"{self._file} is not a video or picture that OpenCV can read: convert it to MP4")

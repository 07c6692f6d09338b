"""A video file, read one image at a time."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import CameraError

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"}
DEFAULT_FRAMES_PER_SECOND = 25.0
"""For a file whose header states no rate."""
MAX_FRAMES_PER_SECOND = 1000.0
"""A higher rate in the header is an error of the file."""


class VideoFile:
    """One video file; use as a context manager. `images` raises CameraError if OpenCV cannot read it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._capture = cv2.VideoCapture(str(file))
        declared = self._capture.get(cv2.CAP_PROP_FPS)
        self.frames_per_second = declared if 0 < declared <= MAX_FRAMES_PER_SECOND else DEFAULT_FRAMES_PER_SECOND
        """From the file's header."""
        self.frame_count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        """From the file's header; 0 if unknown."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._capture.release()

    def images(self, frames_per_second: float) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Frame number, from 0, and (height, width, 3) BGR image, skipping frames beyond the requested rate."""
        due = 0.0
        number = 0
        while self._capture.grab():
            if number >= due:
                success, image = self._capture.retrieve()
                if success:
                    yield number, image.astype(np.uint8, copy=False)
                due += max(1.0, self.frames_per_second / frames_per_second)
            number += 1
        if number == 0:
            raise CameraError(f"{self._file} is not a video or image that OpenCV can read: convert it to MP4")

"""An annotated copy of a video."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import UsageError
from mien.media.file_name import to_text
from mien.media.native_messages import silence_opencv

MAX_FRAMES_PER_SECOND = 120.0
RATE_TOLERANCE = 1.1
"""If the first two frames follow each other faster than the mean rate by more than this factor, the rate varies."""


class AnnotatedVideo:
    """A new MPEG-4 video; use as a context manager. The file is complete even if the block ends early.

    Its frame rate is constant; where the original pauses, the frame before the pause is repeated. It gets its name when
    it is complete.
    """

    def __init__(self, path: Path, *, frames_per_second: float) -> None:
        """`frames_per_second` of the images to append; their mean if it varies."""
        self._path = path
        self._frames_per_second = frames_per_second
        self._first_s = 0.0
        self._previous: NDArray[np.uint8] | None = None
        self._written = 0
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> Self:
        silence_opencv()
        try:
            self._folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            descriptor, name = tempfile.mkstemp(prefix=".annotated-", suffix=".mp4", dir=self._path.parent)
        except OSError as error:
            raise UsageError(f"cannot write {to_text(self._path)} ({error.strerror}): name another folder") from error
        os.close(descriptor)
        self._temporary = Path(name)
        self._temporary.chmod(0o644)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._previous is not None and self._writer is None:  # a single frame
                self._open_writer(self._previous).write(self._previous)
            if self._writer is not None:
                self._writer.release()
                self._temporary.replace(self._path)
        finally:
            os.close(self._folder)
            with suppress(FileNotFoundError):
                self._temporary.unlink()

    def append(self, image: NDArray[np.uint8], at_s: float) -> None:
        """Show a (height, width, 3) BGR image, of the same size as all others, from `at_s` on.

        UsageError if it cannot be written.
        """
        if self._previous is None:
            self._first_s = at_s
        elif self._writer is None:
            rate = min(MAX_FRAMES_PER_SECOND, 1 / (at_s - self._first_s))
            if rate > RATE_TOLERANCE * self._frames_per_second:
                self._frames_per_second = rate
            self._write(self._previous)
        if self._previous is not None:
            while self._written < round((at_s - self._first_s) * self._frames_per_second):
                self._write(self._previous)
            self._write(image)
        self._previous = image

    def _write(self, image: NDArray[np.uint8]) -> None:
        writer = self._writer or self._open_writer(image)
        writer.write(image)
        self._written += 1

    def _open_writer(self, image: NDArray[np.uint8]) -> cv2.VideoWriter:
        height, width = image.shape[:2]
        # through the folder's descriptor, since FFmpeg opens no path that is not UTF-8
        path = f"/proc/self/fd/{self._folder}/{self._temporary.name}"
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, codec, self._frames_per_second, (width, height))
        if not self._writer.isOpened():
            raise UsageError(f"cannot write {to_text(self._path)}: name another folder")
        return self._writer

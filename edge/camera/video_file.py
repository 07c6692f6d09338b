"""A video file, read one image at a time, each with its time in the video."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import CameraError
from mien.files.text_file import is_utf8
from mien.media.completeness import is_riff_complete, mp4_flaw
from mien.media.file_format import HEAD_BYTES, recognize
from mien.media.file_name import to_text
from mien.media.native_messages import silence_opencv

DEFAULT_FRAMES_PER_SECOND = 25.0
"""For a file whose header states no rate."""
MAX_FRAMES_PER_SECOND = 1000.0
"""A higher rate in the header is an error of the file."""
MAX_FRAMES = 100_000_000
"""A higher number in the header is an error of the file."""
MAX_DISORDER_S = 1.0
"""A timestamp that is earlier than the one before by less than this is out of order; by more, the clock was reset, as
where recordings were joined."""


class VideoFile:
    """One video file; use as a context manager. CameraError if it is not a file that OpenCV can open."""

    def __init__(self, file: Path) -> None:
        self._file = file
        silence_opencv()
        try:
            self._stream = file.open("rb")
        except OSError as error:
            raise CameraError(f"{to_text(file)} cannot be read ({error.strerror}): check its permissions") from error
        self.flaw = self._find_flaw()
        """What the file lacks, to be read after its name; empty if it is complete."""
        self._capture = cv2.VideoCapture(_native_path(file, self._stream.fileno()), cv2.CAP_FFMPEG)
        declared = self._capture.get(cv2.CAP_PROP_FPS)
        self.frames_per_second = declared if 0 < declared <= MAX_FRAMES_PER_SECOND else DEFAULT_FRAMES_PER_SECOND
        """From the file's header; the mean if the rate varies."""
        frame_count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(frame_count) if 0 < frame_count <= MAX_FRAMES else 0
        """From the file's header; 0 if unknown."""
        self.frames_passed = 0
        """How many frames have been read or skipped."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._capture.release()
        self._stream.close()

    def images(self, frames_per_second: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Each frame's time from the start of the video, in seconds, and (height, width, 3) BGR image.

        Frames beyond the requested rate are skipped. The times are the file's own timestamps and always increase: a
        file without timestamps has its header's frame rate. CameraError if the video has no frame that can be read.
        """
        period_s = 1 / frames_per_second
        tolerance_s = min(0.001, period_s / 4)  # timestamps are often whole milliseconds
        due_s = 0.0
        is_readable = False
        for at_s in increasing_times(self._timestamps(), self.frames_per_second):
            if at_s < due_s - tolerance_s:
                continue
            success, image = self._capture.retrieve()
            if success:
                is_readable = True
                yield at_s, image.astype(np.uint8, copy=False)
            due_s = (due_s if at_s < due_s + period_s else at_s) + period_s
        if not is_readable:
            problem = self.flaw or "is a video without a frame that OpenCV can read: convert it to MP4"
            raise CameraError(f"{to_text(self._file)} {problem}")

    def _timestamps(self) -> Iterator[float]:
        """Grab one frame after another; the timestamp of each, in seconds."""
        while self._capture.grab():
            self.frames_passed += 1
            yield self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    def _find_flaw(self) -> str:
        head = self._stream.read(HEAD_BYTES)
        file_format = recognize(head)
        match file_format.name if file_format else "":
            case "MP4":
                return mp4_flaw(self._stream)
            case "AVI" if not is_riff_complete(head, os.fstat(self._stream.fileno()).st_size):
                return "is cut off: copy it again"
        return ""


def increasing_times(timestamps_s: Iterable[float], frames_per_second: float) -> Iterator[float]:
    """Times for frames whose timestamps may be missing (all 0), repeated, out of order, or start again from 0.

    Good timestamps are the times; another frame comes 1 / frames_per_second after the one before, and timestamps that
    start again are counted on from there.
    """
    at_s = previous_s = -1 / frames_per_second
    offset_s = 0.0
    for timestamp_s in timestamps_s:
        next_s = at_s + 1 / frames_per_second
        if timestamp_s < previous_s - MAX_DISORDER_S:
            offset_s = next_s - timestamp_s
        at_s = timestamp_s + offset_s if timestamp_s + offset_s > at_s else next_s
        previous_s = timestamp_s
        yield at_s


def _native_path(file: Path, descriptor: int) -> str:
    """A path that FFmpeg opens as what it is: it wants UTF-8, and `a:b.mp4` would be a URL to it."""
    path = str(file.absolute())
    return path if is_utf8(path) else f"/proc/self/fd/{descriptor}"

"""Keeps what native libraries write to the process's standard error from standing between the program's own lines."""

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_LIBRARY_LINE = re.compile(
    rb"Corrupt JPEG|Premature end|Invalid |Unsupported |Warning: |lib\w+ |TIFF|\[ ?(WARN|ERROR|INFO)"
)
"""How the lines of libjpeg, libpng, libtiff and OpenCV begin."""
_lock = threading.Lock()


def silence_opencv() -> None:
    """Turn off the logs of OpenCV and FFmpeg, whose findings the callers report themselves.

    OPENCV_LOG_LEVEL and OPENCV_FFMPEG_LOGLEVEL in the environment turn them on again, to look for an error.
    """
    if "OPENCV_LOG_LEVEL" not in os.environ and hasattr(cv2.utils, "logging"):  # OpenCV 4.10 has no such module
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read when FFmpeg is first used


@contextmanager
def capture_messages() -> Iterator[list[str]]:
    """Collect what libraries without a log level, such as libjpeg, write to standard error in the block.

    The list is filled at the end of the block. Lines of other threads that arrive meanwhile are passed on.
    """
    messages: list[str] = []
    with _lock:
        try:
            saved = os.dup(2)
        except OSError:  # there is no standard error to protect
            yield messages
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        memory = os.memfd_create("stderr")
        os.dup2(memory, 2)
        try:
            yield messages
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            size = os.lseek(memory, 0, os.SEEK_END)
            written = os.pread(memory, size, 0) if size else b""
            os.close(memory)
            for line in written.splitlines(keepends=True):
                if _LIBRARY_LINE.match(line):
                    messages.append(line.decode(errors="replace").strip())
                elif line.strip():
                    os.write(2, line)

"""A Raspberry Pi camera through `rpicam-vid`: OpenCV cannot read it, and picamera2 depends on the system's NumPy."""

import itertools
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import CameraError

from .frame import Frame, skip_warmup_frames
from .settings import RpicamSettings

ERROR_OUTPUT_TIMEOUT_S = 1.0
"""rpicam-vid's error message may arrive this long after the end of its frames."""
CLOSE_POLL_S = 0.2
"""While rpicam-vid delivers nothing: how often to check whether to stop."""


@contextmanager
def open_rpicam(settings: RpicamSettings, is_closing: Callable[[], bool]) -> Iterator[Iterator[Frame]]:
    """`rpicam-vid` as a child process; the Y plane of its YUV 4:2:0 frames is the gray frame, all three are the color.

    The frames end when `is_closing`, even if rpicam-vid hangs: leaving the context then kills it.
    """
    command = ["rpicam-vid", "--timeout", "0", "--nopreview", "--codec", "yuv420", "--flush", "--output", "-"]
    command += ["--width", str(settings.width), "--height", str(settings.height)]
    command += ["--framerate", str(settings.frames_per_second)]
    process = subprocess.Popen(
        command,
        bufsize=0,
        start_new_session=True,  # Ctrl-C must reach only the agent, which then stops the camera itself
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    stdout, stderr = cast(IO[bytes], process.stdout), cast(IO[bytes], process.stderr)  # both are pipes
    last_error_line: list[str] = []
    stderr_reader = threading.Thread(target=_store_last_line, args=(stderr, last_error_line), daemon=True)
    stderr_reader.start()
    try:
        yield skip_warmup_frames(_read_frames(stdout, settings, is_closing, last_error_line, stderr_reader), settings)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a child of rpicam-vid's would keep the pipes open
        process.wait()
        stderr_reader.join()
        stdout.close()
        stderr.close()


def _read_frames(
    stdout: IO[bytes],
    settings: RpicamSettings,
    is_closing: Callable[[], bool],
    last_error_line: list[str],
    stderr_reader: threading.Thread,
) -> Iterator[Frame]:
    luma_bytes = settings.width * settings.height
    for number in itertools.count():
        data = np.empty(luma_bytes * 3 // 2, np.uint8)
        try:
            if not _read_full(stdout, data.data, settings.start_timeout_s, is_closing):
                return
        except (EOFError, TimeoutError) as problem:
            if isinstance(problem, EOFError):
                stderr_reader.join(ERROR_OUTPUT_TIMEOUT_S)
            reason = "".join(last_error_line) or str(problem)
            hint = "check the camera's cable, and that `rpicam-hello --list-cameras` lists it"
            symptom = "stopped delivering frames" if number else "delivers no frames"
            fault = "stopped" if number else "absent"
            raise CameraError(f"rpicam-vid {symptom} ({reason}): {hint}", fault=fault) from problem
        gray = data[:luma_bytes].reshape(settings.height, settings.width)
        # an odd height has no chroma rows of its own
        color = None if settings.height % 2 else partial(_to_color, data.reshape(-1, settings.width))
        yield Frame(gray, time.monotonic(), color)


def _to_color(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(height, width, 3) BGR from the planes of a YUV 4:2:0 frame, (height * 3 / 2, width)."""
    return cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420).astype(np.uint8, copy=False)


def _read_full(pipe: IO[bytes], buffer: memoryview, timeout_s: float, is_closing: Callable[[], bool]) -> bool:
    """Read until the buffer is full; False when `is_closing`.

    EOFError if the pipe ends, TimeoutError if no data arrives for `timeout_s`.
    """
    filled = 0
    waiting_since_s = time.monotonic()
    while filled < len(buffer):
        readable, _, _ = select.select([pipe], [], [], min(timeout_s, CLOSE_POLL_S))
        if readable:
            count = os.readv(pipe.fileno(), [buffer[filled:]])
            if count == 0:
                raise EOFError("it exited")
            filled += count
            waiting_since_s = time.monotonic()
        elif is_closing():
            return False
        elif time.monotonic() - waiting_since_s >= timeout_s:
            raise TimeoutError(f"no data for {timeout_s:g} s")
    return True


def _store_last_line(lines: IO[bytes], last_line: list[str]) -> None:
    for line in lines:
        last_line[:] = [line.decode(errors="replace").strip()]

"""A Raspberry Pi camera through `rpicam-vid`; OpenCV cannot read it, picamera2 would tie mien to the system's NumPy."""

import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np

from mien.errors import CameraError

from .frame import Frame, settled
from .settings import Camera

LAST_WORDS_S = 1.0
"""What rpicam-vid says of its end may come a moment after its last frame."""


@contextmanager
def rpicam(settings: Camera) -> Iterator[Iterator[Frame]]:
    """`rpicam-vid` as a child process; the Y plane of its YUV 4:2:0 frames is the grey frame."""
    command = ["rpicam-vid", "--timeout", "0", "--nopreview", "--codec", "yuv420", "--flush", "--output", "-"]
    command += ["--width", str(settings.width), "--height", str(settings.height)]
    command += ["--framerate", str(settings.frames_per_second)]
    process = subprocess.Popen(
        command,
        bufsize=0,
        start_new_session=True,  # Ctrl-C is the agent's, which then stops the camera itself
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    complaints: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    reader = threading.Thread(target=_keep_last_line, args=(process.stderr, complaints), daemon=True)
    reader.start()
    try:
        yield settled(_planes(process, settings, complaints, reader), settings)
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()


def _planes(
    process: subprocess.Popen[bytes], settings: Camera, complaints: list[str], reader: threading.Thread
) -> Iterator[Frame]:
    luma = settings.width * settings.height
    assert process.stdout is not None
    while True:
        data = np.empty(luma * 3 // 2, np.uint8)
        if not _fill(data.data, process.stdout, settings.start_timeout_s):
            reader.join(LAST_WORDS_S)
            why = "".join(complaints[-1:]) or "it ended or timed out"
            cure = "check the camera's cable, and that `rpicam-hello --list-cameras` shows it"
            raise CameraError(f"rpicam-vid gives no frame ({why}): {cure}")
        yield Frame(data[:luma].reshape(settings.height, settings.width), time.monotonic())


def _fill(data: memoryview, pipe: IO[bytes], timeout_s: float) -> bool:
    """Read until `data` is full; False if the pipe ends or is silent for too long."""
    filled = 0
    while filled < len(data):
        ready, _, _ = select.select([pipe], [], [], timeout_s)
        count = os.readv(pipe.fileno(), [data[filled:]]) if ready else 0
        if count == 0:
            return False
        filled += count
    return True


def _keep_last_line(lines: IO[bytes], kept: list[str]) -> None:
    for line in lines:
        kept[:] = [line.decode(errors="replace").strip()]

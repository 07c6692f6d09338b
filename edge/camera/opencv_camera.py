"""Cameras that OpenCV opens: USB and network cameras."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from mien.errors import CameraError
from mien.media.native_messages import capture_messages, silence_opencv

from .frame import Frame, limit_frame_rate, skip_warmup_frames
from .network.camera_url import CameraUrl
from .settings import NetworkCameraSettings, PhysicalCameraSettings, UsbCameraSettings

PROBE_TIMEOUT_S = 3.0
"""How long a camera that delivers no frames may take to respond otherwise."""
FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
"""OpenCV passes this environment variable on to FFmpeg: there is no other way."""
TRANSPORTS = {"tcp": "rtsp_transport;tcp", "udp": "rtsp_transport;udp"}
MAX_FAILURES = 10
"""Frames in succession that cannot be read: FFmpeg does not tell a damaged frame from the end of the stream."""


class VideoSource(Protocol):
    """What is used of OpenCV's `VideoCapture`."""

    def grab(self) -> bool:
        """Wait for the next frame; False if there is none."""

    def retrieve(self) -> tuple[bool, np.ndarray]:
        """Decode it; False if it is damaged."""


class QuietSource:
    """A source of JPEG frames, such as a webcam: libjpeg would write a line for each damaged one."""

    def __init__(self, source: VideoSource) -> None:
        self._source = source

    def grab(self) -> bool:
        """Wait for the next frame; False if there is none."""
        return self._source.grab()

    def retrieve(self) -> tuple[bool, np.ndarray]:
        """Decode it; False if it is damaged."""
        with capture_messages():
            return self._source.retrieve()


@contextmanager
def open_usb_camera(settings: UsbCameraSettings) -> Iterator[Iterator[Frame]]:
    """The frames of `/dev/video<index>`."""
    silence_opencv()
    capture = cv2.VideoCapture(settings.index)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.frames_per_second)

    def explain(frames: int) -> str:
        if frames:
            return f"USB camera {settings.index} stopped delivering frames: check its cable and its power supply"
        return (
            f"USB camera {settings.index} delivers no frames: check that it is plugged in (`ls /dev/video*`), that no "
            "other program uses it, and camera.index"
        )

    with _releasing(capture):
        yield skip_warmup_frames(read_frames(QuietSource(capture), settings, explain), settings)


@contextmanager
def open_network_camera(settings: NetworkCameraSettings) -> Iterator[Iterator[Frame]]:
    """The frames of a network camera. Its URL is never logged."""
    url = CameraUrl.read(Path(settings.url_file))
    silence_opencv()
    if os.environ.get(FFMPEG_OPTIONS) in (None, *TRANSPORTS.values()):  # others are the user's
        os.environ[FFMPEG_OPTIONS] = TRANSPORTS[settings.rtsp_transport]
    timeout_ms = round(settings.start_timeout_s * 1000)
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]

    def explain(frames: int) -> CameraError | str:
        camera = f"the camera in {settings.url_file}"
        if frames == 1:
            return f"{camera} delivered one image and no more: use the URL of its stream, not that of a single image"
        if frames:
            return f"{camera} stopped delivering frames after {frames}: check its power supply and the network"
        result = url.probe(PROBE_TIMEOUT_S)
        place = f"the URL in that file ({result.reason})" if result.reason else "the URL in that file"
        hint = f"check {place}, the camera's password and the network{url.password_hint()}"
        return CameraError(f"{camera} delivers no frames: {hint}", fault="refused" if result.is_refused else "absent")

    with _releasing(cv2.VideoCapture(url.text, cv2.CAP_FFMPEG, timeouts)) as capture:

        def read_clock() -> float:
            return float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000

        yield skip_warmup_frames(read_frames(capture, settings, explain, read_clock), settings)


@contextmanager
def _releasing(capture: cv2.VideoCapture) -> Iterator[cv2.VideoCapture]:
    try:
        yield capture
    finally:
        capture.release()


def read_frames(
    source: VideoSource,
    settings: PhysicalCameraSettings,
    explain: Callable[[int], CameraError | str],
    read_clock: Callable[[], float | None] = lambda: None,
) -> Iterator[Frame]:
    """The frames of a source at the camera's frame rate; damaged ones are left out.

    `read_clock` reads the stream's time of the last frame, in seconds. CameraError, with what `explain` says of the
    number of frames so far, if none arrives for `start_timeout_s` or too many in succession are damaged or missing.
    """
    frames = _read_all(source, settings.start_timeout_s, explain, read_clock)
    return limit_frame_rate(frames, settings.frames_per_second)


def _read_all(
    source: VideoSource,
    timeout_s: float,
    explain: Callable[[int], CameraError | str],
    read_clock: Callable[[], float | None],
) -> Iterator[Frame]:
    frames = failures = 0
    waiting_since_s = time.monotonic()
    while failures < MAX_FAILURES and time.monotonic() - waiting_since_s < timeout_s:
        image = _read(source)
        if image is None:
            failures += 1
            continue
        frames += 1
        failures = 0
        yield Frame.of(image.astype(np.uint8, copy=False), time.monotonic(), read_clock())
        waiting_since_s = time.monotonic()
    problem = explain(frames)
    if isinstance(problem, CameraError):
        raise problem
    raise CameraError(problem, fault="stopped" if frames else "absent")


def _read(source: VideoSource) -> np.ndarray | None:
    """The next frame; None if it is damaged, or if there is none."""
    if not source.grab():
        return None
    success, image = source.retrieve()
    return image if success else None

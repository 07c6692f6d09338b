"""Cameras that OpenCV opens: USB and network cameras."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from mien.errors import CameraError

from .frame import Frame, limit_frame_rate, skip_warmup_frames, to_gray
from .settings import PhysicalCameraSettings, RtspCameraSettings, UsbCameraSettings


@contextmanager
def open_usb_camera(settings: UsbCameraSettings) -> Iterator[Iterator[Frame]]:
    """The frames of `/dev/video<index>`."""
    capture = cv2.VideoCapture(settings.index)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.frames_per_second)
    failure_message = (
        f"USB camera {settings.index} delivers no frames: check that it is plugged in (`ls /dev/video*`), that no "
        "other program uses it, and camera.index"
    )
    with _releasing(capture):
        yield skip_warmup_frames(_read_frames(capture, settings, failure_message), settings)


@contextmanager
def open_rtsp_camera(settings: RtspCameraSettings) -> Iterator[Iterator[Frame]]:
    """The frames of a network camera, over TCP because packet loss would corrupt them. Its URL is never logged."""
    try:
        url = Path(settings.url_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CameraError(f"camera.url_file {settings.url_file} cannot be read: {error}") from error
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    timeout_ms = round(settings.start_timeout_s * 1000)
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
    failure_message = (
        f"the camera in {settings.url_file} delivers no frames: check the URL in that file, the camera's password and "
        "the network"
    )
    with _releasing(cv2.VideoCapture(url, cv2.CAP_FFMPEG, timeouts)) as capture:
        yield skip_warmup_frames(_read_frames(capture, settings, failure_message), settings)


@contextmanager
def _releasing(capture: cv2.VideoCapture) -> Iterator[cv2.VideoCapture]:
    try:
        yield capture
    finally:
        capture.release()


def _read_frames(capture: cv2.VideoCapture, settings: PhysicalCameraSettings, failure_message: str) -> Iterator[Frame]:
    def read_all() -> Iterator[Frame]:
        while True:
            success, image = capture.read()
            if not success:
                raise CameraError(failure_message)
            yield Frame(to_gray(image), time.monotonic())

    return limit_frame_rate(read_all(), settings.frames_per_second)

"""Cameras that OpenCV opens: USB cameras, and cameras in the network."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from mien.errors import CameraError

from .frame import Frame, gray, settled, thinned
from .settings import Camera


@contextmanager
def usb(settings: Camera) -> Iterator[Iterator[Frame]]:
    """The frames of `/dev/video<index>`."""
    capture = cv2.VideoCapture(settings.index)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.frames_per_second)
    cure = (
        f"USB camera {settings.index} gives no frame: check that it is plugged in (`ls /dev/video*`), that nothing "
        "else uses it, and camera.index"
    )
    with _released(capture):
        yield settled(_frames(capture, settings, cure), settings)


@contextmanager
def rtsp(settings: Camera) -> Iterator[Iterator[Frame]]:
    """The frames of a camera in the network, over TCP: lost packets would tear them. Its address is not logged."""
    assert settings.url_file is not None  # the settings have checked it
    try:
        url = Path(settings.url_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CameraError(f"camera.url_file {settings.url_file} cannot be read: {error}") from error
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    timeout_ms = round(settings.start_timeout_s * 1000)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
    cure = f"the camera in {settings.url_file} gives no frame: check the address there, its password and the network"
    with _released(cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)) as capture:
        yield settled(_frames(capture, settings, cure), settings)


@contextmanager
def _released(capture: cv2.VideoCapture) -> Iterator[cv2.VideoCapture]:
    try:
        yield capture
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture, settings: Camera, cure: str) -> Iterator[Frame]:
    def read() -> Iterator[Frame]:
        while True:
            there, picture = capture.read()
            if not there:
                raise CameraError(cure)
            yield Frame(gray(picture), time.monotonic())

    return thinned(read(), settings.frames_per_second)

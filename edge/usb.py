"""A USB camera, through OpenCV."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from mien.errors import CameraError

from .frame import Frame, gray, settled, thinned
from .settings import Camera


@contextmanager
def usb(settings: Camera) -> Iterator[Iterator[Frame]]:
    capture = cv2.VideoCapture(settings.index)
    try:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
        capture.set(cv2.CAP_PROP_FPS, settings.frames_per_second)
        yield settled(thinned(_frames(capture, settings), settings.frames_per_second), settings.settle_frames)
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture, settings: Camera) -> Iterator[Frame]:
    while True:
        there, picture = capture.read()
        if not there:
            raise CameraError(
                f"USB camera {settings.index} gives no frame: check that it is plugged in (`ls /dev/video*`), that "
                "nothing else uses it, and camera.index"
            )
        yield Frame(gray(picture), time.monotonic())

"""Files in a camera's place: a video, a picture, or a folder of both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import CameraError

from .frame import Frame, gray, paced, read_picture
from .settings import Camera

PICTURES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
VIDEOS = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"}


@contextmanager
def footage(settings: Camera) -> Iterator[Iterator[Frame]]:
    """The frames of `camera.path` at the pace of a camera; they end with it unless `camera.loop` is set."""
    assert settings.path is not None  # the settings have checked it
    yield paced(_pictures(Path(settings.path), settings), settings.frames_per_second)


def _pictures(path: Path, settings: Camera) -> Iterator[NDArray[np.uint8]]:
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES | VIDEOS)
        if not files:
            raise CameraError(f"{path} holds no picture or video: name another folder")
    while True:
        for file in files:
            yield from _still(file, settings) if file.suffix.lower() in PICTURES else _video(file, settings)
        if not settings.loop:
            return


def _still(file: Path, settings: Camera) -> Iterator[NDArray[np.uint8]]:
    picture = read_picture(file)
    for _ in range(max(1, round(settings.picture_s * settings.frames_per_second))):
        yield picture


def _video(path: Path, settings: Camera) -> Iterator[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path))
    try:
        own_rate = capture.get(cv2.CAP_PROP_FPS) or settings.frames_per_second
        due = 0.0
        number = 0
        while capture.grab():
            if number >= due:
                there, picture = capture.retrieve()
                if there:
                    yield gray(picture)
                due += max(1.0, own_rate / settings.frames_per_second)
            number += 1
        if number == 0:
            raise CameraError(f"{path} is not a video or picture that OpenCV can read: convert it to MP4")
    finally:
        capture.release()

"""Files in a camera's place: a video, a picture, or a folder of both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import CameraError

from .frame import Frame, gray, paced, read_picture
from .settings import Camera
from .video import VIDEOS, Video

PICTURES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}


@contextmanager
def footage(settings: Camera) -> Iterator[Iterator[Frame]]:
    """The frames of `camera.path` at the pace of a camera; they end with it unless `camera.loop` is set."""
    assert settings.path is not None  # the settings have checked it
    yield paced(_pictures(Path(settings.path), settings), settings.frames_per_second)


def files_of(path: Path) -> list[Path]:
    """A file itself, or the pictures and videos in a folder, by name. CameraError if there is none."""
    if not path.exists():
        raise CameraError(f"{path} does not exist: name a video, a picture or a folder of them")
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES | VIDEOS)
    if not files:
        raise CameraError(f"{path} holds no picture or video: name another folder")
    return files


def is_picture(file: Path) -> bool:
    """Whether it is to be read as one picture; all else is tried as a video."""
    return file.suffix.lower() in PICTURES


def _pictures(path: Path, settings: Camera) -> Iterator[NDArray[np.uint8]]:
    files = files_of(path)
    while True:
        for file in files:
            yield from _still(file, settings) if is_picture(file) else _moving(file, settings)
        if not settings.loop:
            return


def _still(file: Path, settings: Camera) -> Iterator[NDArray[np.uint8]]:
    picture = read_picture(file)
    for _ in range(max(1, round(settings.picture_s * settings.frames_per_second))):
        yield picture


def _moving(file: Path, settings: Camera) -> Iterator[NDArray[np.uint8]]:
    with Video(file) as video:
        for _, picture in video.pictures(settings.frames_per_second):
            yield gray(picture)

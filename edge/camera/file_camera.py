"""A simulated camera that shows files: a video, an image, or a folder of both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.edge.timer import Timer
from mien.errors import CameraError

from .frame import Frame, at_frame_rate, read_image, to_gray
from .settings import FileCameraSettings
from .video_file import VIDEO_SUFFIXES, VideoFile

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}


@contextmanager
def open_file_camera(settings: FileCameraSettings, timer: Timer) -> Iterator[Iterator[Frame]]:
    """The frames of `camera.path` at the camera's frame rate; endless only if `camera.loop` is set."""
    yield at_frame_rate(_read_images(Path(settings.path), settings), settings.frames_per_second, timer)


def list_files(path: Path) -> list[Path]:
    """The file itself, or the images and videos in a folder, sorted by name. CameraError if there are none."""
    if not path.exists():
        raise CameraError(f"{path} does not exist: name a video, an image or a folder of both")
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES)
    if not files:
        raise CameraError(f"{path} contains no images or videos: name another folder")
    return files


def is_image(file: Path) -> bool:
    """Whether to read the file as an image; anything else is read as a video."""
    return file.suffix.lower() in IMAGE_SUFFIXES


def _read_images(path: Path, settings: FileCameraSettings) -> Iterator[NDArray[np.uint8]]:
    files = list_files(path)
    while True:
        for file in files:
            yield from _repeat_image(file, settings) if is_image(file) else _read_video(file, settings)
        if not settings.loop:
            return


def _repeat_image(file: Path, settings: FileCameraSettings) -> Iterator[NDArray[np.uint8]]:
    image = read_image(file)
    for _ in range(max(1, round(settings.still_duration_s * settings.frames_per_second))):
        yield image


def _read_video(file: Path, settings: FileCameraSettings) -> Iterator[NDArray[np.uint8]]:
    with VideoFile(file) as video:
        for _, image in video.images(settings.frames_per_second):
            yield to_gray(image)

"""A simulated camera that shows files: a video, an image, or a folder of both."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.edge.timer import Timer
from mien.errors import CameraError
from mien.media.file_name import to_text

from .frame import Frame
from .image_file import read_image
from .media_file import MediaFile, find_media
from .settings import FileCameraSettings
from .video_file import VideoFile

MAX_PAUSE_S = 10.0
"""Longer pauses between the frames of a video are shortened: the agent must not seem to hang."""

log = logging.getLogger(__name__)


@contextmanager
def open_file_camera(settings: FileCameraSettings, timer: Timer) -> Iterator[Iterator[Frame]]:
    """The frames of `camera.path`, a video's at its own times; endless only if `camera.loop` is set.

    At most the camera's frames a second are shown; a slow consumer delays them but misses none. In a folder, files that
    cannot be read are logged and left out. CameraError if there is nothing to show.
    """
    yield _at_their_times(_read_images(Path(settings.path), settings), settings, timer)


def _at_their_times(
    images: Iterator[tuple[float, NDArray[np.uint8]]], settings: FileCameraSettings, timer: Timer
) -> Iterator[Frame]:
    due_s = timer.now_s() - 1 / settings.frames_per_second
    for pause_s, image in images:
        due_s = max(due_s + min(pause_s, MAX_PAUSE_S), timer.now_s() - 1 / settings.frames_per_second)
        timer.sleep(max(0.0, due_s - timer.now_s()))
        yield Frame.of(image, timer.now_s())


def _read_images(path: Path, settings: FileCameraSettings) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Each image, and how many seconds after the one before it is due."""
    media = find_media(path)
    for line in media.left_out:
        log.warning("left out: %s", line)
    files = media.files
    while files:
        shown = []
        for file in files:
            try:
                yield from _repeat_image(file, settings) if file.kind == "image" else _read_video(file, settings)
                shown.append(file)
            except CameraError as error:
                if file.path == path:
                    raise
                log.warning("left out: %s", error)
        files = shown
        if files and not settings.loop:
            return
    raise CameraError(f"none of the files in {to_text(path)} can be shown: name another folder in camera.path")


def _repeat_image(file: MediaFile, settings: FileCameraSettings) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    image = read_image(file.path, color=True)
    for _ in range(max(1, round(settings.still_duration_s * settings.frames_per_second))):
        yield 1 / settings.frames_per_second, image


def _read_video(file: MediaFile, settings: FileCameraSettings) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    with VideoFile(file.path) as video:
        previous_s = -1 / settings.frames_per_second
        for at_s, image in video.images(settings.frames_per_second):
            yield at_s - previous_s, image
            previous_s = at_s
        if video.flaw:
            log.warning("%s %s", to_text(file.path), video.flaw)

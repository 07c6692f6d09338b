"""A picture that drifts through the frame, for trying mien without a camera."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .frame import Frame, paced, read_picture
from .settings import Camera

PERIOD_S = 12.0
WALL_BRIGHTNESS = 96


@contextmanager
def portrait(settings: Camera) -> Iterator[Iterator[Frame]]:
    """`camera.path` on a grey wall, never still and without end."""
    assert settings.path is not None  # the settings have checked it
    yield paced(_drifting(read_picture(Path(settings.path)), settings), settings.frames_per_second)


def _drifting(picture: NDArray[np.uint8], settings: Camera) -> Iterator[NDArray[np.uint8]]:
    """The picture on a grey wall, its middle on a slow figure of eight through the middle of the frame."""
    height = min(picture.shape[0], settings.height * 3 // 4)
    width = min(round(picture.shape[1] * height / picture.shape[0]), settings.width * 3 // 4)
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    while True:
        phase = 2 * math.pi * time.monotonic() / PERIOD_S
        left = round((settings.width - width) * (0.5 + 0.4 * math.sin(phase)))
        top = round((settings.height - height) * (0.5 + 0.4 * math.sin(2 * phase)))
        frame = np.full((settings.height, settings.width), WALL_BRIGHTNESS, np.uint8)
        frame[top : top + height, left : left + width] = picture
        yield frame

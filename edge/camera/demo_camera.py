"""A simulated camera that shows a drifting image, for trying mien without a camera."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.timer import Timer

from .frame import Frame, at_frame_rate
from .image_file import read_image
from .settings import DemoCameraSettings

PORTRAIT = Path(__file__).parent / "portrait.jpg"
"""What it shows by default; portrait.txt credits it."""
PERIOD_S = 12.0
BACKGROUND_BRIGHTNESS = 96


@contextmanager
def open_demo_camera(settings: DemoCameraSettings, timer: Timer) -> Iterator[Iterator[Frame]]:
    """Endless frames in which the image `camera.path`, or the portrait, drifts over a gray background."""
    image = read_image(Path(settings.path) if settings.path else PORTRAIT, color=True)
    yield at_frame_rate(_drift(image, settings, timer), settings.frames_per_second, timer)


def _drift(image: NDArray[np.uint8], settings: DemoCameraSettings, timer: Timer) -> Iterator[NDArray[np.uint8]]:
    """Move the image over a gray background, its center on a slow figure eight around the center of the frame."""
    height = min(image.shape[0], settings.height * 3 // 4)
    width = min(round(image.shape[1] * height / image.shape[0]), settings.width * 3 // 4)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    while True:
        phase = 2 * math.pi * timer.now_s() / PERIOD_S
        left = round((settings.width - width) * (0.5 + 0.4 * math.sin(phase)))
        top = round((settings.height - height) * (0.5 + 0.4 * math.sin(2 * phase)))
        frame = np.full((settings.height, settings.width, 3), BACKGROUND_BRIGHTNESS, np.uint8)
        frame[top : top + height, left : left + width] = image
        yield frame

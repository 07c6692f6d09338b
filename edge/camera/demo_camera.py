"""A simulated camera that shows a drifting image, for trying mien without a camera, or with one that fails."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.timer import Timer
from mien.errors import CameraError

from .faults.staged import apply_fault, fault_at
from .frame import Frame
from .image_file import read_image
from .settings import DemoCameraSettings

PORTRAIT = Path(__file__).parent / "portrait.jpg"
"""What it shows by default; portrait.txt credits it."""
PERIOD_S = 12.0
BACKGROUND_BRIGHTNESS = 96
CLOSE_POLL_S = 0.2
"""While it has stalled: how often to check whether to stop."""
CLOCK_STEP_S = 3600.0
FAULT_HINT = "wait, or change camera.faults"


@contextmanager
def open_demo_camera(
    settings: DemoCameraSettings, timer: Timer, is_closing: Callable[[], bool], started_s: float
) -> Iterator[Iterator[Frame]]:
    """Endless frames in which the image `camera.path`, or the portrait, drifts over a gray background.

    The times of `camera.faults` count from `started_s`. CameraError while it is unplugged, and once it has stalled for
    `start_timeout_s`.
    """
    image = read_image(Path(settings.path) if settings.path else PORTRAIT, color=True)
    yield _deliver(_drift(image, settings, timer), settings, timer, is_closing, started_s)


def _deliver(
    images: Iterator[NDArray[np.uint8]],
    settings: DemoCameraSettings,
    timer: Timer,
    is_closing: Callable[[], bool],
    started_s: float,
) -> Iterator[Frame]:
    due_s = delivered_s = timer.now_s()
    previous: NDArray[np.uint8] | None = None
    while True:
        timer.sleep(max(0.0, due_s - timer.now_s()))
        now_s = timer.now_s()
        due_s = max(due_s + 1 / settings.frames_per_second, now_s - 1 / settings.frames_per_second)
        match fault := fault_at(settings.faults, now_s - started_s):
            case "unplugged":
                problem = "has been unplugged" if previous is not None else "is unplugged"
                raise _error(f"the demo camera {problem}", has_delivered=previous is not None)
            case "stalled":
                if is_closing():
                    return
                if now_s - delivered_s >= settings.start_timeout_s:
                    problem = f"the demo camera has delivered nothing for {settings.start_timeout_s:g} s"
                    raise _error(problem, has_delivered=previous is not None)
                due_s = now_s + min(CLOSE_POLL_S, settings.start_timeout_s)
                continue
        image = next(images)
        image = apply_fault(fault, image, image if previous is None else previous, now_s)
        previous, delivered_s = image, now_s
        yield Frame.of(image, now_s, now_s - started_s - (CLOCK_STEP_S if fault == "time_jump" else 0.0))


def _error(problem: str, *, has_delivered: bool) -> CameraError:
    return CameraError(f"{problem}: {FAULT_HINT}", fault="stopped" if has_delivered else "absent")


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

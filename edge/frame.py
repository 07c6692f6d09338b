"""A frame, and the pace at which frames come."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import CameraError


@dataclass(frozen=True, slots=True)
class Frame:
    """One grey frame."""

    gray: NDArray[np.uint8]
    """(height, width)."""
    arrived_s: float
    """`time.monotonic()` when it came in."""


def thinned(frames: Iterator[Frame], frames_per_second: float) -> Iterator[Frame]:
    """Leave out frames of a camera that is faster than asked for."""
    due_s = 0.0
    for frame in frames:
        if frame.arrived_s >= due_s:
            due_s = max(due_s, frame.arrived_s - 0.5 / frames_per_second) + 1 / frames_per_second
            yield frame


def settled(frames: Iterator[Frame], settle_frames: int) -> Iterator[Frame]:
    """Leave out the first frames, while the camera finds its exposure."""
    for number, frame in enumerate(frames):
        if number >= settle_frames:
            yield frame


def paced(pictures: Iterator[NDArray[np.uint8]], frames_per_second: float) -> Iterator[Frame]:
    """Frames at the pace of a camera; a slow reader loses time, not frames."""
    due_s = time.monotonic()
    for picture in pictures:
        time.sleep(max(0.0, due_s - time.monotonic()))
        due_s = max(due_s + 1 / frames_per_second, time.monotonic() - 1 / frames_per_second)
        yield Frame(picture, time.monotonic())


def read_picture(file: Path) -> NDArray[np.uint8]:
    """A picture file as (height, width) grey. CameraError if it is none."""
    picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise CameraError(f"{file} is not a picture that OpenCV can read: convert it to JPEG or PNG")
    return picture.astype(np.uint8, copy=False)


def gray(picture: np.ndarray) -> NDArray[np.uint8]:
    """(height, width) grey from what OpenCV's `VideoCapture` gives."""
    if picture.ndim == 2:
        return picture.astype(np.uint8, copy=False)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)

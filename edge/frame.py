"""A frame, and the pace at which frames come."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import CameraError

from .settings import Camera

BLANK = 128
"""Has no edges, so no cascade finds anything in it."""


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


def settled(frames: Iterator[Frame], settings: Camera) -> Iterator[Frame]:
    """Leave out the first frames, while the camera finds its exposure; some drivers never say that they have."""
    begun_s = time.monotonic()
    for number, frame in enumerate(frames):
        if number >= settings.settle_frames or frame.arrived_s - begun_s >= settings.settle_s:
            yield frame


def adjusted(frames: Iterator[Frame], settings: Camera) -> Iterator[Frame]:
    """Frames as the camera's place asks for: turned, mirrored, with the parts to ignore in one grey."""
    turn = TURNS.get(settings.rotation)
    for frame in frames:
        gray = frame.gray if turn is None else cv2.rotate(frame.gray, turn)
        gray = cv2.flip(gray, 1) if settings.mirror else gray
        if settings.ignore:
            gray = _blanked(gray, settings.ignore)
        yield frame if gray is frame.gray else Frame(gray.astype(np.uint8, copy=False), frame.arrived_s)


TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def _blanked(gray: np.ndarray, parts: Sequence[tuple[float, float, float, float]]) -> np.ndarray:
    blanked = gray.copy()
    height, width = gray.shape
    for left, top, part_width, part_height in parts:
        rows = slice(round(top * height), round((top + part_height) * height))
        blanked[rows, round(left * width) : round((left + part_width) * width)] = BLANK
    return blanked


def paced(pictures: Iterator[NDArray[np.uint8]], frames_per_second: float) -> Iterator[Frame]:
    """Frames at the pace of a camera; a slow reader loses time, not frames."""
    due_s = time.monotonic()
    for picture in pictures:
        time.sleep(max(0.0, due_s - time.monotonic()))
        due_s = max(due_s + 1 / frames_per_second, time.monotonic() - 1 / frames_per_second)
        yield Frame(picture, time.monotonic())


def read_picture(file: Path, *, colour: bool = False) -> NDArray[np.uint8]:
    """A picture file as (height, width) grey, or (height, width, 3) BGR. CameraError if it is none."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise CameraError(f"{file} is not a picture that OpenCV can read: convert it to JPEG or PNG")
    return picture.astype(np.uint8, copy=False)


def gray(picture: np.ndarray) -> NDArray[np.uint8]:
    """(height, width) grey from what OpenCV's `VideoCapture` gives."""
    if picture.ndim == 2:
        return picture.astype(np.uint8, copy=False)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)

"""Frames: one gray image with its time of arrival, and the steps from a camera's raw frames to those the agent sees."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.timer import Timer
from mien.errors import CameraError

from .settings import CameraSettings, PhysicalCameraSettings

ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
MASK_BRIGHTNESS = 128
"""A masked area is uniform: it has no edges, so no cascade detects anything in it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One gray frame."""

    gray: NDArray[np.uint8]
    """(height, width)."""
    arrived_s: float
    """`time.monotonic()` when it arrived."""


def limit_frame_rate(frames: Iterator[Frame], frames_per_second: float) -> Iterator[Frame]:
    """Skip frames of a camera that is faster than requested."""
    due_s = 0.0
    for frame in frames:
        if frame.arrived_s >= due_s:
            due_s = max(due_s, frame.arrived_s - 0.5 / frames_per_second) + 1 / frames_per_second
            yield frame


def skip_warmup_frames(frames: Iterator[Frame], settings: PhysicalCameraSettings) -> Iterator[Frame]:
    """Skip the first frames, while the camera adjusts its exposure; some drivers never report when it is done."""
    start_s = time.monotonic()
    for number, frame in enumerate(frames):
        if number >= settings.warmup_frames or frame.arrived_s - start_s >= settings.warmup_s:
            yield frame


def orient_and_mask(frames: Iterator[Frame], settings: CameraSettings) -> Iterator[Frame]:
    """Rotate, mirror and mask frames as the settings say."""
    rotation = ROTATIONS.get(settings.rotation)
    for frame in frames:
        gray = frame.gray if rotation is None else cv2.rotate(frame.gray, rotation)
        gray = cv2.flip(gray, 1) if settings.mirror else gray
        if settings.mask:
            gray = _mask_areas(gray, settings.mask)
        yield frame if gray is frame.gray else Frame(gray.astype(np.uint8, copy=False), frame.arrived_s)


def _mask_areas(gray: np.ndarray, areas: Sequence[tuple[float, float, float, float]]) -> np.ndarray:
    masked = gray.copy()
    height, width = gray.shape
    for left, top, area_width, area_height in areas:
        rows = slice(round(top * height), round((top + area_height) * height))
        masked[rows, round(left * width) : round((left + area_width) * width)] = MASK_BRIGHTNESS
    return masked


def at_frame_rate(images: Iterator[NDArray[np.uint8]], frames_per_second: float, timer: Timer) -> Iterator[Frame]:
    """Frames from images at a camera's frame rate; a slow consumer delays them but misses none."""
    due_s = timer.now_s()
    for image in images:
        timer.sleep(max(0.0, due_s - timer.now_s()))
        due_s = max(due_s + 1 / frames_per_second, timer.now_s() - 1 / frames_per_second)
        yield Frame(image, timer.now_s())


def read_image(file: Path, *, color: bool = False) -> NDArray[np.uint8]:
    """An image file as (height, width) gray or (height, width, 3) BGR. CameraError if OpenCV cannot read it."""
    image = cv2.imread(str(file), cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise CameraError(f"{file} is not an image that OpenCV can read: convert it to JPEG or PNG")
    return image.astype(np.uint8, copy=False)


def to_gray(image: np.ndarray) -> NDArray[np.uint8]:
    """(height, width) gray from an image of OpenCV's `VideoCapture`, BGR or already gray."""
    if image.ndim == 2:
        return image.astype(np.uint8, copy=False)
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)

"""Frames: one image with its time of arrival, and the steps from a camera's raw frames to those the agent sees."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from .settings import CameraSettings, PhysicalCameraSettings

ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
FLIP_AXES = {"horizontal": 1, "vertical": 0}
MASK_BRIGHTNESS = 128
"""A masked area is uniform gray: it has no edges, so no detector finds anything in it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    gray: NDArray[np.uint8]
    """(height, width): what is compared, cropped and classified."""
    arrived_s: float
    """`time.monotonic()` when it arrived."""
    color: NDArray[np.uint8] | Callable[[], NDArray[np.uint8]] | None = None
    """(height, width, 3) BGR, or what makes it, for a camera whose color frames cost time that most frames are not
    worth; None if the camera has no color. Read it with `image`."""
    stream_s: float | None = None
    """Its time by the stream's own clock, which may jump; None if the camera tells none."""

    @classmethod
    def of(cls, image: NDArray[np.uint8], arrived_s: float, stream_s: float | None = None) -> Self:
        """The frame of a gray or BGR image."""
        return cls(to_gray(image), arrived_s, image if image.ndim == 3 else None, stream_s)

    @property
    def image(self) -> NDArray[np.uint8]:
        """What faces are detected in: (height, width, 3) BGR, or (height, width) gray if the camera has no color.

        It may be made anew each time: read it once for each frame.
        """
        color = self.color() if callable(self.color) else self.color
        return self.gray if color is None else color


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
    """Rotate, flip and mask frames as the settings say."""
    if settings.rotate or settings.flip != "none" or settings.mask:
        orient = partial(_orient_and_mask, settings)
        for frame in frames:
            color = None if frame.color is None else partial(_orient_color, orient, frame)
            yield Frame(orient(frame.gray), frame.arrived_s, color, frame.stream_s)
    else:
        yield from frames


def _orient_color(orient: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], frame: Frame) -> NDArray[np.uint8]:
    return orient(frame.image)


def _orient_and_mask(settings: CameraSettings, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rotation, axis = ROTATIONS.get(settings.rotate), FLIP_AXES.get(settings.flip)
    rotated = image if rotation is None else cv2.rotate(image, rotation)
    flipped = rotated if axis is None else cv2.flip(rotated, axis)
    return _mask_areas(flipped.astype(np.uint8, copy=False), settings.mask)


def _mask_areas(image: NDArray[np.uint8], areas: Sequence[tuple[float, float, float, float]]) -> NDArray[np.uint8]:
    if not areas:
        return image
    masked = image.copy()
    height, width = image.shape[:2]
    for left, top, area_width, area_height in areas:
        rows = slice(round(top * height), round((top + area_height) * height))
        masked[rows, round(left * width) : round((left + area_width) * width)] = MASK_BRIGHTNESS
    return masked


def to_gray(image: np.ndarray) -> NDArray[np.uint8]:
    """(height, width) gray from an image of OpenCV's `VideoCapture`, BGR or already gray."""
    if image.ndim == 2:
        return image.astype(np.uint8, copy=False)
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)

"""Reads the camera while somebody looks, a few frames a second, and keeps what the page shows of the newest one."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.frame import Frame
from mien.face_detection.detector import FaceDetector

from .advice import Advice, Adviser
from .motion import MotionLine
from .reading import FrameReading, read_frame
from .sketch import Sketch

FRAME_INTERVAL_S = 0.25
"""Four frames a second take 8 % of one core of an x86 machine, with YuNet and the demo camera."""
IDLE_AFTER_S = 3.0
"""Without anybody who looks, frames are not read."""
ADVICE_FRAMES = 8
"""From which advice is given: two seconds."""
MAX_IMAGE_PX = 960
JPEG_QUALITY = 80

log = logging.getLogger(__name__)


class FaceBox(Struct, frozen=True, kw_only=True):
    """A face on the page."""

    box: tuple[float, float, float, float]
    """Left, top, width and height, as fractions of the frame."""
    side_px: int
    problem: str
    """Why it would not be read; empty if it would."""


class View(Struct, frozen=True, kw_only=True):
    """What the page shows."""

    number: int
    """Grows with each view."""
    width: int = 4
    height: int = 3
    """Of the frame, in pixels, or only its shape before the first one."""
    sketch: Sketch | None = None
    faces: list[FaceBox] = []
    advice: list[Advice] = []
    needed_px: int = 0
    error: str = ""
    """Why there is no frame; empty if there is one."""


class Watcher:
    """A thread of its own; use as a context manager."""

    def __init__(
        self,
        camera_manager: CameraManager,
        *,
        detector: FaceDetector,
        adviser: Adviser,
        motion: MotionLine,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`camera_manager` is on standby; nothing else reads it."""
        self._camera_manager = camera_manager
        self._detector = detector
        self._adviser = adviser
        self._motion = motion
        self._now_s = now_s
        self._changed = threading.Condition()
        self._view = View(number=0, error="the camera is starting")
        self._frame: Frame | None = None
        self._readings: deque[FrameReading] = deque(maxlen=ADVICE_FRAMES)
        self._wanted_s = float("-inf")
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="aim", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        self._thread.join()

    def close(self) -> None:
        """Read no more frames, and let everybody who waits for one go."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()

    def next_view(self, after: int, timeout_s: float) -> View:
        """A view with another number than `after`, or the newest one if there is none in time."""
        with self._changed:
            self._wanted_s = self._now_s()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_closing or self._view.number != after, timeout_s)
            self._wanted_s = self._now_s()
            return self._view

    def image(self) -> bytes | None:
        """The newest frame as JPEG; None if there is none."""
        with self._changed:
            frame = self._frame
        if frame is None:
            return None
        image = _shrink(frame.image)
        is_encoded, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return jpeg.tobytes() if is_encoded else None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closing or self._is_wanted())
                if self._is_closing:
                    return
            start_s = self._now_s()
            try:
                self._look()
            except Exception as error:  # a daemon's loop: the page says so, and the next frame is tried
                log.exception("a frame could not be read")
                self._show(View(number=0, error=f"a frame could not be read: {error!r}"))
            with self._changed:
                pause_s = FRAME_INTERVAL_S - (self._now_s() - start_s)
                self._changed.wait_for(lambda: self._is_closing, max(0.05, pause_s))

    def _is_wanted(self) -> bool:
        return self._now_s() - self._wanted_s < IDLE_AFTER_S

    def _look(self) -> None:
        """Show the newest frame, or why there is none."""
        frame = self._camera_manager.poll()
        needed_px, motion = self._adviser.needed_px, self._motion.read()
        if frame is None:
            if problem := self._camera_manager.error:
                self._frame = None
                self._readings.clear()
                self._show(View(number=0, error=problem, advice=[motion], needed_px=needed_px))
            return
        if self._frame is not None and frame.arrived_s == self._frame.arrived_s:
            return
        reading = read_frame(frame, self._detector, self._adviser.settings.faces)
        self._readings.append(reading)
        self._frame = frame
        self._show(
            View(
                number=0,
                width=reading.width,
                height=reading.height,
                sketch=reading.sketch,
                faces=[
                    FaceBox(box=face.box_fractions, side_px=round(face.measures.side_px), problem=face.problem or "")
                    for face in reading.faces
                ],
                advice=[*self._adviser.advise(self._readings), motion],
                needed_px=needed_px,
            )
        )

    def _show(self, view: View) -> None:
        with self._changed:
            self._view = replace(view, number=self._view.number + 1)
            self._changed.notify_all()


def _shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = MAX_IMAGE_PX / max(width, height)
    if scale >= 1:
        return image
    size = round(width * scale), round(height * scale)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)

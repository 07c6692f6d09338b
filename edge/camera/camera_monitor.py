"""Watches the frames of a live camera for faults, and remembers which there were."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mien.errors import CameraError

from .faults.exposure import ExposureMonitor
from .faults.image_checks import has_color, is_black, is_green
from .faults.repetition import RepetitionDetector
from .frame import Frame
from .settings import CameraSettings, NetworkCameraSettings

CHECK_INTERVAL_S = 1.0
"""Between two looks at an image's colors, which cost a Pi more than its brightness."""
MIN_CHECKS = 3
"""An image has to be black, green or gray this many times in a row: a stream's first image may be damaged."""
NOTICE_S = 120.0
"""A fault that is over remains the current one for this long, so that two health reports name it."""
FROZEN_AFTER_S = 5.0
NETWORK_FROZEN_AFTER_S = 60.0
"""A network camera's compression repeats the image of an empty room bit by bit until the next key frame."""
MAX_STEP_BACK_S = 1.0
"""Frames may come out of order; a stream whose clock goes back by more has been started anew or repeats itself."""
FROZEN_HINT = "the agent opens it again; if that does not help, switch it off and on"
GREEN_HINT = "check its cable and the network; the agent opens it again"

log = logging.getLogger(__name__)


class CameraMonitor:
    """What is wrong with one camera since the agent started; `watch` runs in the camera's thread."""

    def __init__(self, settings: CameraSettings, *, started_s: float) -> None:
        """`started_s` is the monotonic time since when there has been this camera, opened or not."""
        self.started_s = started_s
        is_network = isinstance(settings, NetworkCameraSettings)
        self._frozen_after_s = NETWORK_FROZEN_AFTER_S if is_network else FROZEN_AFTER_S
        self._counts: Counter[str] = Counter()
        self._noticed_until_s: dict[str, float] = {}
        self._size_px: tuple[int, int] | None = None
        self.has_color: bool | None = None
        """Whether the images have color; None before the first."""

    @property
    def counts(self) -> dict[str, int]:
        """How often each fault has begun."""
        return dict(self._counts)

    def record(self, fault: str, now_s: float, *, until_s: float | None = None) -> None:
        """Remember a fault at monotonic time `now_s`: until then, or for NOTICE_S."""
        if now_s >= self._noticed_until_s.get(fault, float("-inf")):
            self._counts[fault] += 1
        self._noticed_until_s[fault] = now_s + NOTICE_S if until_s is None else until_s

    def current(self, now_s: float) -> str | None:
        """The fault that is remembered longest; None if none is."""
        noticed = dict(self._noticed_until_s)
        latest = max(noticed, key=lambda fault: noticed[fault], default=None)
        return latest if latest is not None and now_s < noticed[latest] else None

    def watch(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The same frames, from the camera's opening on. CameraError if it has to be opened again."""
        opening = _Opening(RepetitionDetector(self._frozen_after_s), ExposureMonitor())
        for frame in frames:
            self._check_size(frame)
            self._check_clock(frame, opening)
            if opening.exposure.update(frame.gray, frame.arrived_s):
                self.record("exposure", frame.arrived_s)
            if opening.repetition.update(frame.gray, frame.arrived_s):
                raise CameraError(f"the camera repeats the same image: {FROZEN_HINT}", fault="frozen")
            if frame.arrived_s - opening.checked_s >= CHECK_INTERVAL_S:
                opening.checked_s = frame.arrived_s
                self._check_colors(frame, opening)
            yield frame

    def _check_size(self, frame: Frame) -> None:
        height, width = frame.gray.shape
        if self._size_px not in (None, (width, height)):
            log.warning("the camera's images have another size: %dx%d", width, height)
            self.record("resized", frame.arrived_s)
        self._size_px = width, height

    def _check_clock(self, frame: Frame, opening: "_Opening") -> None:
        before_s, opening.stream_s = opening.stream_s, frame.stream_s
        if before_s is None or frame.stream_s is None or frame.stream_s >= before_s - MAX_STEP_BACK_S:
            return
        log.warning("the clock of the camera's stream has gone back by %.0f s", before_s - frame.stream_s)
        self.record("time_jump", frame.arrived_s)

    def _check_colors(self, frame: Frame, opening: "_Opening") -> None:
        if is_black(frame.gray):
            opening.black += 1
            if opening.black >= MIN_CHECKS:
                self.record("black", frame.arrived_s, until_s=float("inf"))
            return
        opening.black = 0
        self._noticed_until_s.pop("black", None)
        image = frame.image
        opening.green = opening.green + 1 if image.ndim == 3 and is_green(image) else 0
        if opening.green >= MIN_CHECKS:
            raise CameraError(f"the camera's image is green: {GREEN_HINT}", fault="green")
        opening.gray = 0 if has_color(image) else opening.gray + 1
        if opening.gray == 0 or opening.gray >= MIN_CHECKS:
            self._set_color(has_color=opening.gray == 0)

    def _set_color(self, *, has_color: bool) -> None:
        if self.has_color is not None and self.has_color != has_color:
            log.info("the camera's images have color again" if has_color else "the camera's images have no color now")
        self.has_color = has_color


@dataclass(slots=True)
class _Opening:
    """What was seen since the camera was opened."""

    repetition: RepetitionDetector
    exposure: ExposureMonitor
    stream_s: float | None = None
    checked_s: float = float("-inf")
    black: int = 0
    green: int = 0
    gray: int = 0
    """Checks in a row in which the image was so."""

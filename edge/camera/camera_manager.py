"""The agent's camera: opened on demand or kept on standby, and reopened with growing delays when it fails."""

import logging
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Literal, Self

from mien.edge.camera_lease import CameraLease
from mien.edge.timer import REAL_TIME, Timer
from mien.errors import CameraError

from .camera_monitor import CameraMonitor
from .factory import check_camera, open_camera
from .frame import Frame
from .frame_reader import FrameReader
from .settings import CameraSettings, FileCameraSettings, UsbCameraSettings

FRAME_TIMEOUT_S = 0.25
"""How long to wait for a frame before the agent gets a chance to do other work."""
FIRST_RETRY_S = 1.0
MAX_RETRY_S = 60.0
STEADY_S = 30.0
"""A camera that fails sooner after its first frame is reopened with growing delays, as one that delivers none."""

log = logging.getLogger(__name__)


class CameraManager:
    """Delivers frames whenever the agent captures; use as a context manager."""

    def __init__(
        self,
        settings: CameraSettings,
        *,
        standby: bool = False,
        timer: Timer = REAL_TIME,
        lease: CameraLease | None = None,
    ) -> None:
        """`standby` keeps the camera open between captures; `lease` lends it to `mien aim`."""
        self._settings = settings
        self._standby = standby
        self._timer = timer
        self._lease = lease
        self._resources = ExitStack()
        self._reader: FrameReader | None = None
        self._monitor = CameraMonitor(settings, started_s=REAL_TIME.now_s())
        self._retry_s = FIRST_RETRY_S
        self._retry_at_s = 0.0
        self._working_since_s: float | None = None
        self.failures = 0
        """Failures since the agent started."""
        self.error = ""
        """The last failure; empty while the camera works."""
        self._fault: str | None = None

    def __enter__(self) -> Self:
        if isinstance(self._settings, UsbCameraSettings):
            try:
                check_camera(self._settings)
            except CameraError as error:  # it may be plugged in later
                self._record_failure(error)
        self.poll()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    @property
    def state(self) -> Literal["closed", "on", "failing"]:
        """failing: from a failure until the camera delivers a frame again."""
        if self.error:
            return "failing"
        return "on" if self._reader else "closed"

    @property
    def fault(self) -> str | None:
        """What is wrong with the camera, as the health report calls it; None if nothing is."""
        return self._fault if self.error else self._monitor.current(self._timer.now_s())

    @property
    def fault_counts(self) -> dict[str, int]:
        """How often each fault has begun since the agent started."""
        return self._monitor.counts

    @property
    def has_color(self) -> bool | None:
        """Whether the images have color; None before the first."""
        return self._monitor.has_color

    @property
    def is_paused(self) -> bool:
        """Whether `mien aim` has the camera, or wants it."""
        return self._lease is not None and self._lease.is_wanted

    @property
    def is_live(self) -> bool:
        """Whether the frames never end, unlike those of a file."""
        return not isinstance(self._settings, FileCameraSettings)

    @property
    def is_ready(self) -> bool:
        """Whether the camera may be opened: False while `mien aim` has it, or waiting to retry after a failure."""
        return self._timer.now_s() >= self._retry_at_s and not self.is_paused

    def poll(self) -> Frame | None:
        """Reopen a standby camera if it has failed, and return its newest frame, if any."""
        if not self._standby or not self._may_keep_camera() or not self.is_ready:
            return None
        try:
            newest = self._open_reader().newest
            self._clear_error(newest)
            return newest
        except CameraError as error:
            self._record_failure(error)
            return None

    @contextmanager
    def frames(self) -> Iterator[Iterator[Frame | None]]:
        """Frames as they arrive, and None whenever none arrived within FRAME_TIMEOUT_S; the frames of a file end.

        The iterator raises CameraError if a file cannot be read. If a live camera fails, the iterator ends, and `state`
        and `error` report the failure.
        """
        if not self.is_live:
            with open_camera(self._settings, self._timer) as frames:
                yield frames
            return
        try:
            yield self._live_frames()
        finally:
            if self._working_since_s is not None and not self.error:
                self._retry_s = FIRST_RETRY_S
            if not self._standby:
                self._close()

    def _live_frames(self) -> Iterator[Frame | None]:
        try:
            while self._may_keep_camera():
                frame = self._open_reader().next_frame(FRAME_TIMEOUT_S)
                self._clear_error(frame)
                yield frame
        except CameraError as error:
            self._record_failure(error)

    def _open_reader(self) -> FrameReader:
        if self._reader is None:
            reader = FrameReader(
                lambda is_closing: open_camera(self._settings, is_closing=is_closing, monitor=self._monitor)
            )
            self._reader = self._resources.enter_context(reader)
        return self._reader

    def _may_keep_camera(self) -> bool:
        """Whether the camera may be open; it is closed if `mien aim` wants it."""
        if self._lease is None or self._lease.take():
            return True
        self._close()
        return False

    def _close(self) -> None:
        self._reader = self._working_since_s = None
        self._resources.close()
        if self._lease:
            self._lease.release()

    def _clear_error(self, frame: Frame | None) -> None:
        if frame is None:
            return
        now_s = self._timer.now_s()
        if self._working_since_s is None:
            self._working_since_s = now_s
        if now_s - self._working_since_s >= STEADY_S:
            self._retry_s = FIRST_RETRY_S
        if self.error:
            log.info("the camera works again")
            self.error, self._fault = "", None

    def _record_failure(self, error: CameraError) -> None:
        self._close()
        self.failures += 1
        self.error, self._fault = str(error), error.fault
        self._monitor.record(error.fault, self._timer.now_s())
        self._retry_at_s = self._timer.now_s() + self._retry_s * random.uniform(0.8, 1.2)
        log.error("%s; reopening the camera in %.0f s", error, self._retry_s)
        self._retry_s = min(MAX_RETRY_S, self._retry_s * 2)

"""Reads a live camera in a separate thread, so that neither a hanging camera nor a slow agent blocks the other."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from mien.errors import CameraError

from .frame import Frame

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0
"""How long to wait for a hanging camera to close; its daemon thread does not keep the agent from exiting."""


class FrameReader:
    """The newest frame of one camera; use as a context manager. Frames that are not fetched in time are dropped."""

    def __init__(self, open_camera: Callable[[Callable[[], bool]], AbstractContextManager[Iterator[Frame]]]) -> None:
        """`open_camera` is passed a function that reports whether to stop waiting for the camera."""
        self._open_camera = open_camera
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._delivered: Frame | None = None
        self._error: CameraError | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        self._thread.join(CLOSE_TIMEOUT_S)

    @property
    def newest(self) -> Frame | None:
        """The newest frame, even if delivered before; None before the first. CameraError if the camera has failed."""
        if self._error:
            raise self._error
        return self._newest

    def next_frame(self, timeout_s: float) -> Frame | None:
        """The newest frame not yet delivered; None if none arrives in time. CameraError if the camera has failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._error or self._newest is not self._delivered, timeout_s)
            if self._error:
                raise self._error
            frame = self._newest if self._newest is not self._delivered else None
            self._delivered = self._newest
            return frame

    def _read(self) -> None:
        try:
            with self._open_camera(lambda: self._closing) as frames:
                for frame in frames:
                    with self._changed:
                        self._newest = frame
                        self._changed.notify_all()
                    if self._closing:
                        return
            self._fail(CameraError("the camera has no more frames", fault="stopped"))
        except CameraError as error:
            self._fail(error)
        except Exception as error:  # any exception of a driver must reach the agent
            log.exception("the camera failed")
            self._fail(CameraError(f"the camera failed: {error!r}"))

    def _fail(self, error: CameraError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

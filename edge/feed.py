"""A live camera, read in a thread of its own: no camera can hold up the agent, and no agent its frames."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from mien.errors import CameraError

from .frame import Frame

log = logging.getLogger(__name__)

CLOSE_S = 2.0
"""How long to wait for a camera that hangs; its thread does not keep the agent from leaving."""


class Feed:
    """The newest frame of one camera; use as a context manager. Frames that nobody took in time are gone."""

    def __init__(self, open_camera: Callable[[], AbstractContextManager[Iterator[Frame]]]) -> None:
        self._open_camera = open_camera
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._taken: Frame | None = None
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
        self._thread.join(CLOSE_S)

    @property
    def newest(self) -> Frame | None:
        """The newest frame, taken or not; None before the first. CameraError if the camera has failed."""
        if self._error:
            raise self._error
        return self._newest

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame, if it was not taken before; None if no new one comes in time. CameraError if none will."""
        with self._changed:
            self._changed.wait_for(lambda: self._error or self._newest is not self._taken, timeout_s)
            if self._error:
                raise self._error
            frame = self._newest if self._newest is not self._taken else None
            self._taken = self._newest
            return frame

    def _read(self) -> None:
        try:
            with self._open_camera() as frames:
                for frame in frames:
                    with self._changed:
                        self._newest = frame
                        self._changed.notify_all()
                    if self._closing:
                        return
            self._fail(CameraError("the camera has ended"))
        except CameraError as error:
            self._fail(error)
        except Exception as error:  # whatever a driver does, the agent must hear of it
            log.exception("the camera failed")
            self._fail(CameraError(f"the camera failed: {error!r}"))

    def _fail(self, error: CameraError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

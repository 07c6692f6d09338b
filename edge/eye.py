"""The agent's one camera: open while it is needed, or always; opened again, ever more slowly, when it fails."""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Literal, Self

from mien.errors import CameraError

from .camera import LIVE, open_camera
from .feed import Feed
from .frame import Frame
from .settings import Camera

TICK_S = 0.25
"""How long the agent waits for a frame before it looks after other things."""
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0

log = logging.getLogger(__name__)


class Eye:
    """Frames whenever the agent wants some; use as a context manager."""

    def __init__(self, settings: Camera, *, standby: bool = False) -> None:
        """`standby` keeps the camera open between captures."""
        self._settings = settings
        self._standby = standby
        self._open = ExitStack()
        self._feed: Feed | None = None
        self._retry_s = FIRST_RETRY_S
        self._not_before_s = 0.0
        self.failures = 0
        """How often the camera has failed since the agent started."""
        self.error = ""
        """Why it failed last; empty while it works."""

    def __enter__(self) -> Self:
        self.watch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._shut()

    @property
    def state(self) -> Literal["closed", "on", "failing"]:
        """failing until it has given a frame again."""
        if self.error:
            return "failing"
        return "on" if self._feed else "closed"

    @property
    def live(self) -> bool:
        """Whether its frames never end."""
        return self._settings.kind in LIVE

    @property
    def ready(self) -> bool:
        """Whether it may be opened: not while it has just failed."""
        return time.monotonic() >= self._not_before_s

    def watch(self) -> Frame | None:
        """The newest frame of a camera on standby, opened again if it has failed; None if there is none."""
        if not self._standby or not self.ready:
            return None
        try:
            newest = self._opened().newest
            self._note(newest)
            return newest
        except CameraError as error:
            self._note_failure(error)
            return None

    @contextmanager
    def frames(self) -> Iterator[Iterator[Frame | None]]:
        """Frames as they come, and None whenever none has come for a moment; a file's frames end.

        CameraError, from the iterator, where a file cannot be read. A live camera's failure ends the frames of this
        capture; `state` and `error` say so.
        """
        if not self.live:
            with open_camera(self._settings) as frames:
                yield frames
            return
        try:
            yield self._live()
        finally:
            if not self._standby:
                self._shut()

    def _live(self) -> Iterator[Frame | None]:
        try:
            feed = self._opened()
            while True:
                frame = feed.take(TICK_S)
                self._note(frame)
                yield frame
        except CameraError as error:
            self._note_failure(error)

    def _opened(self) -> Feed:
        if self._feed is None:
            self._feed = self._open.enter_context(Feed(lambda: open_camera(self._settings)))
        return self._feed

    def _shut(self) -> None:
        self._feed = None
        self._open.close()

    def _note(self, frame: Frame | None) -> None:
        if frame is not None and self.error:
            log.info("the camera works again")
            self.error = ""
            self._retry_s = FIRST_RETRY_S

    def _note_failure(self, error: CameraError) -> None:
        self._shut()
        self.failures += 1
        self.error = str(error)
        self._not_before_s = time.monotonic() + self._retry_s * random.uniform(0.8, 1.2)
        log.error("%s; it is opened again in %.0f s", error, self._retry_s)
        self._retry_s = min(LONGEST_RETRY_S, self._retry_s * 2)

"""What the web server of `mien aim` serves, and to whom."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .address import ListenAddress
from .session import Session
from .watcher import Watcher

LAST_RESPONSES_S = 3.0
"""How long to wait at the end for responses, so that the page says that it has closed."""


@dataclass(slots=True, kw_only=True)
class Viewing:
    """One run of `mien aim`."""

    address: ListenAddress
    session: Session
    watcher: Watcher
    shows_image: bool
    """Whether the page shows the image itself."""
    end_s: float
    """By `time.monotonic()`, when it closes by itself."""
    on_finish: Callable[[], None]
    """Called when the viewer is done."""
    is_closed: bool = False
    _requests: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def seconds_left(self) -> int:
        """Until it closes by itself."""
        return max(0, round(self.end_s - time.monotonic()))

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While a request is answered."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def close(self) -> None:
        """Let requests that wait for a frame be answered, and wait for that."""
        self.is_closed = True
        self.watcher.close()
        with self._changed:
            self._changed.wait_for(lambda: self._requests == 0, LAST_RESPONSES_S)

    def _count(self, change: int) -> None:
        with self._changed:
            self._requests += change
            self._changed.notify_all()

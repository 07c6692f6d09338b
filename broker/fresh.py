"""Answers that are a moment old, so that two hundred who ask the same cost as much as one."""

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
MOST = 256


class Fresh(Generic[Answer]):
    """Keeps each answer for `keep_s`; who asks while it is being made waits for that one."""

    def __init__(self, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[float, Future[Answer]]] = OrderedDict()

    def get(self, key: str, make: Callable[[], Answer]) -> Answer:
        """The answer to `key`, made by `make` if there is no fresh one. Whatever `make` raises is raised, not kept."""
        with self._lock:
            begun, future = self._kept.get(key, (0.0, None))
            if future is None or self._clock() - begun > self._keep_s:
                mine: Future[Answer] = Future()
                self._kept[key] = (self._clock(), mine)
                self._kept.move_to_end(key)
                while len(self._kept) > MOST:
                    self._kept.popitem(last=False)
            else:
                mine = None  # type: ignore[assignment]
        if mine is None:
            assert future is not None
            return future.result()
        try:
            mine.set_result(make())
        except BaseException as error:
            with self._lock:
                if self._kept.get(key, (0.0, None))[1] is mine:
                    del self._kept[key]
            mine.set_exception(error)
            raise
        return mine.result()

    def forget(self) -> None:
        """Make all answers anew: something has changed."""
        with self._lock:
            self._kept.clear()

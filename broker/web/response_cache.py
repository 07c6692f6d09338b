"""A short-lived cache of responses, so that 200 clients with the same query cost as much as one."""

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")
MAX_ENTRIES = 256
BUILD_TIME_FACTOR = 4.0
"""An entry is kept for this many times its build time, so that one query uses at most a fifth of a core."""
QUICK_S = 0.1
"""Entries that take less time to build are invalidated by every change."""


@dataclass(slots=True)
class Entry(Generic[Value]):
    """A value, or one that is still being built."""

    started_s: float
    build_s: float = 0.0
    value: Future[Value] = field(default_factory=Future)


class ResponseCache(Generic[Value]):
    """Caches each value for `max_age_s`, or longer if it was slow to build; a value is built once for all who wait."""

    def __init__(self, max_age_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_age_s = max_age_s
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[str, Entry[Value]] = OrderedDict()

    def get(self, key: str, build: Callable[[], Value]) -> Value:
        """The value of `key`, built with `build` if it is not cached. Errors of `build` are raised, not cached."""
        with self._lock:
            entry = self._entries.get(key)
            must_build = entry is None or (entry.value.done() and self._is_expired(entry))
            if entry is None or must_build:
                entry = self._entries[key] = Entry(self._clock())
                self._entries.move_to_end(key)
                while len(self._entries) > MAX_ENTRIES:
                    self._entries.popitem(last=False)
        if not must_build:
            return entry.value.result()
        try:
            value = build()
        except BaseException as error:
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            entry.value.set_exception(error)
            raise
        entry.build_s = self._clock() - entry.started_s
        entry.value.set_result(value)
        return value

    def invalidate(self) -> None:
        """The log has changed: drop entries, slow ones only once they are old enough."""
        with self._lock:
            for key, entry in list(self._entries.items()):
                if entry.build_s < QUICK_S or self._age_s(entry) > BUILD_TIME_FACTOR * entry.build_s:
                    del self._entries[key]

    def _is_expired(self, entry: Entry[Value]) -> bool:
        return self._age_s(entry) > max(self._max_age_s, BUILD_TIME_FACTOR * entry.build_s)

    def _age_s(self, entry: Entry[Value]) -> float:
        """The time since it was built."""
        return self._clock() - entry.started_s - entry.build_s

"""Answers that are a moment old, so that two hundred who ask the same cost as much as one."""

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
MOST = 256
REST = 4.0
"""An answer is kept for so many times as long as it took: one question takes a fifth of a processor at most."""
QUICK_S = 0.1
"""What takes less is made anew at once where something has changed."""


@dataclass(slots=True)
class Kept(Generic[Answer]):
    """One answer, or the promise of one that is being made."""

    begun_s: float
    took_s: float = 0.0
    answer: Future[Answer] = field(default_factory=Future)


class Fresh(Generic[Answer]):
    """Keeps each answer for `keep_s`, slow ones longer; who asks while it is being made waits for that one."""

    def __init__(self, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[str, Kept[Answer]] = OrderedDict()

    def get(self, key: str, make: Callable[[], Answer]) -> Answer:
        """The answer to `key`, made by `make` if there is no fresh one. Whatever `make` raises is raised, not kept."""
        with self._lock:
            kept = self._kept.get(key)
            old = kept is None or (kept.answer.done() and self._age_s(kept) > max(self._keep_s, REST * kept.took_s))
            if kept is None or old:
                kept = self._kept[key] = Kept(self._clock())
                self._kept.move_to_end(key)
                while len(self._kept) > MOST:
                    self._kept.popitem(last=False)
        if not old:
            return kept.answer.result()
        try:
            answer = make()
        except BaseException as error:
            with self._lock:
                if self._kept.get(key) is kept:
                    del self._kept[key]
            kept.answer.set_exception(error)
            raise
        kept.took_s = self._clock() - kept.begun_s
        kept.answer.set_result(answer)
        return answer

    def forget(self) -> None:
        """Something has changed: make answers anew, the slow ones when they have rested."""
        with self._lock:
            for key, kept in list(self._kept.items()):
                if kept.took_s < QUICK_S or self._age_s(kept) > REST * kept.took_s:
                    del self._kept[key]

    def _age_s(self, kept: Kept[Answer]) -> float:
        """Since it was there."""
        return self._clock() - kept.begun_s - kept.took_s

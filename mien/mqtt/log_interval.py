"""Log lines about what happens often: one a minute for each subject."""

import time
from collections.abc import Callable, Hashable

INTERVAL_S = 60.0


class LogInterval:
    """Counts occurrences, and says when to log how many; from one thread only."""

    def __init__(self, interval_s: float = INTERVAL_S, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._monotonic_s = monotonic_s
        self._logged_s: dict[Hashable, float] = {}
        self._pending: dict[Hashable, int] = {}

    def count(self, subject: Hashable) -> int:
        """One more occurrence. How many to log now, since the last line about the subject; 0 if it is too early."""
        pending = self._pending.pop(subject, 0) + 1
        now_s = self._monotonic_s()
        if now_s - self._logged_s.get(subject, -self._interval_s) < self._interval_s:
            self._pending[subject] = pending
            return 0
        self._logged_s[subject] = now_s
        return pending

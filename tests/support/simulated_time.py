"""Time that passes only when a test, or the code under test by waiting, makes it pass."""

import threading

from mien.broker.timekeeping.server_clock import DAY_MS, ServerClock
from mien.edge.timer import Timer

NOW_MS = 1_800_000_000_000


class SimulatedTime:
    """A clock that starts at zero."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s

    def timer(self) -> Timer:
        return Timer(now_s=lambda: self.now_s, sleep=self.sleep)


class SimulatedServer:
    """A server whose clock is right at first, and not synchronized."""

    def __init__(self, *, wall_ms: int = NOW_MS, is_synchronized: bool | None = False) -> None:
        self.wall_ms = wall_ms
        self.monotonic_ms = 1_000_000
        self.is_synchronized = is_synchronized
        self.reads = 0
        """How often the wall clock has been read."""
        self._lock = threading.Lock()
        self._read_together_ms: int | None = None

    def clock(self) -> ServerClock:
        """Also that of another start of the collector."""
        return ServerClock(
            is_synchronized=lambda: self.is_synchronized,
            wall_ms=self._read_wall_ms,
            monotonic_ms=self._read_monotonic_ms,
        )

    def run_days(self, days: float) -> None:
        """Let time pass, as both clocks see it."""
        with self._lock:
            self.wall_ms += round(days * DAY_MS)
            self.monotonic_ms += round(days * DAY_MS)

    def step_days(self, days: float) -> None:
        """Set the clock."""
        self.wall_ms += round(days * DAY_MS)

    def _read_wall_ms(self) -> int:
        """The next reading of the other clock is of the same moment: a test lets days pass between two instructions."""
        with self._lock:
            self.reads += 1
            self._read_together_ms = self.monotonic_ms
            return self.wall_ms

    def _read_monotonic_ms(self) -> int:
        with self._lock:
            read_ms, self._read_together_ms = self._read_together_ms, None
            return self.monotonic_ms if read_ms is None else read_ms

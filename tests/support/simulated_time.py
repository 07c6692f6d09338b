"""Time that passes only when a test, or the code under test by waiting, makes it pass."""

from mien.edge.timer import Timer


class SimulatedTime:
    """A clock that starts at zero."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s

    def timer(self) -> Timer:
        return Timer(now_s=lambda: self.now_s, sleep=self.sleep)

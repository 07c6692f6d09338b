"""A simulated PIR sensor: the code of the real one on a mock pin that a thread drives."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from gpiozero.pins.mock import MockFactory, MockPin

from .pir import PirSensor
from .settings import PirSettings, SimulatedMotionSettings


class SimulatedPirSensor(PirSensor):
    """A PIR on gpiozero's mock pin, driven by `motion.intervals_s`: everything is real except the wire."""

    def __init__(
        self, settings: SimulatedMotionSettings, *, on_pulse: Callable[[float], None] = lambda now_s: None
    ) -> None:
        factory, pir = MockFactory(), PirSettings(warmup_s=0.0)
        super().__init__(pir, factory, on_pulse=on_pulse)
        self._pin: MockPin = factory.pin(pir.pin)
        self._settings = settings
        self._closing = threading.Event()
        self._driver = threading.Thread(target=self._drive_pin, name="simulated motion", daemon=True)

    def __enter__(self) -> Self:
        self._driver.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._driver.join()
        super().__exit__(kind, error, traceback)

    def _drive_pin(self) -> None:
        start_s = time.monotonic()
        while True:
            for is_high, at_s in _edges(self._settings.intervals_s):
                if self._closing.wait(max(0.0, start_s + at_s - time.monotonic())):
                    return
                self._pin.drive_high() if is_high else self._pin.drive_low()
            if not self._settings.period_s:
                return
            start_s += self._settings.period_s


def _edges(intervals_s: Sequence[tuple[float, float]]) -> list[tuple[bool, float]]:
    """Each edge of the signal: whether it rises, and when."""
    return [edge for start_s, end_s in intervals_s for edge in ((True, start_s), (False, end_s))]

"""What wakes the agent: a PIR sensor on a pin, a script that drives a pretended one, the camera, or nothing."""

import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from gpiozero import DigitalInputDevice
from gpiozero.exc import BadPinFactory, GPIOZeroError
from gpiozero.pins.mock import MockFactory, MockPin

from mien.errors import ConfigurationError

from .eye import Eye
from .frame_motion import FrameMotion
from .settings import Motion

log = logging.getLogger(__name__)


class MotionSource(Protocol):
    """Something that knows whether something moves; use as a context manager."""

    def wait(self, timeout_s: float) -> bool:
        """Block until something moves; False if nothing did in time."""
        ...

    @property
    def moving(self) -> bool:
        """Whether something moves now."""
        ...

    @property
    def settling(self) -> bool:
        """Whether it is not to be trusted yet."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Pir:
    """A PIR sensor on one pin, by the pin's interrupts.

    gpiozero's MotionSensor reads the pin in a thread, ten times a second: that wakes later, and at fifty times a second
    it took a hundredth of a core.
    """

    def __init__(self, settings: Motion, pin_factory: MockFactory | None = None) -> None:
        """Open the pin. ConfigurationError if this machine has no such pin."""
        self._settle_s = settings.settle_s
        os.environ.setdefault("GPIOZERO_PIN_FACTORY", "lgpio")  # or gpiozero falls back to what a Pi 5 has not
        self._debounce_s = settings.debounce_s
        self._risen_s = time.monotonic()
        try:
            self._sensor = DigitalInputDevice(settings.pin, pin_factory=pin_factory)
            self._sensor.when_activated = self._rise
        except (BadPinFactory, GPIOZeroError, ImportError, OSError) as error:
            raise ConfigurationError(
                f"the PIR on pin {settings.pin} cannot be opened ({error}): install python3-lgpio on a Raspberry Pi, "
                "or set motion.script to try mien without a sensor"
            ) from error

    @property
    def settling(self) -> bool:
        return self._unsettled_s() > 0

    def wait(self, timeout_s: float) -> bool:
        if (unsettled_s := self._unsettled_s()) > 0:
            time.sleep(min(unsettled_s, timeout_s))
            return False
        ends_s = time.monotonic() + timeout_s
        while self._sensor.wait_for_active(max(0.0, ends_s - time.monotonic())):
            now_s = time.monotonic()
            if self.moving or now_s >= ends_s:
                return self.moving
            self._sensor.wait_for_inactive(min(ends_s, self._risen_s + self._debounce_s) - now_s)
        return False

    def _rise(self) -> None:
        self._risen_s = time.monotonic()

    def _unsettled_s(self) -> float:
        return self._settle_s - _uptime_s()

    @property
    def moving(self) -> bool:
        return bool(self._sensor.is_active) and time.monotonic() - self._risen_s >= self._debounce_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sensor.close()


class ScriptedPir(Pir):
    """A PIR on gpiozero's mock pin, driven by a script: the whole way of a real one but for the wire."""

    def __init__(self, settings: Motion) -> None:
        factory = MockFactory()
        super().__init__(settings, factory)
        self._pin: MockPin = factory.pin(settings.pin)
        self._settle_s = 0.0
        self._script = settings.script
        self._repeat_s = settings.repeat_s
        self._closing = threading.Event()
        self._driver = threading.Thread(target=self._drive, name="motion script", daemon=True)

    def __enter__(self) -> Self:
        self._driver.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._driver.join()
        super().__exit__(kind, error, traceback)

    def _drive(self) -> None:
        start = time.monotonic()
        while True:
            for level, at_s in _edges(self._script):
                if self._closing.wait(max(0.0, start + at_s - time.monotonic())):
                    return
                self._pin.drive_high() if level else self._pin.drive_low()
            if not self._repeat_s:
                return
            start += self._repeat_s


def _edges(script: Sequence[tuple[float, float]]) -> list[tuple[bool, float]]:
    return [edge for start_s, end_s in script for edge in ((True, start_s), (False, end_s))]


class Always:
    """For a place where something always moves, or a camera that shall never rest."""

    moving = True
    settling = False

    def wait(self, timeout_s: float) -> bool:
        """At once."""
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


def open_motion(settings: Motion, eye: Eye) -> MotionSource:
    """The motion source that the settings name; `frames` looks through the agent's eye."""
    if settings.kind == "always":
        return Always()
    if settings.kind == "frames":
        return FrameMotion(settings, eye.watch)
    if settings.script:
        log.info("the motion sensor is a script")
        return ScriptedPir(settings)
    return Pir(settings)


def _uptime_s() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])

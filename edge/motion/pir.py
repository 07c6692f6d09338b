"""A PIR sensor on a GPIO pin."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from gpiozero import DigitalInputDevice
from gpiozero.exc import BadPinFactory, GPIOZeroError
from gpiozero.pins.mock import MockFactory

from mien.errors import ConfigurationError

from .settings import PirSettings


class PirSensor:
    """A PIR sensor on one GPIO pin, read by interrupts.

    gpiozero's MotionSensor polls the pin in a thread, ten times a second: that wakes later, and at fifty times a second
    it used one percent of a core.
    """

    def __init__(
        self,
        settings: PirSettings,
        pin_factory: MockFactory | None = None,
        *,
        on_pulse: Callable[[float], None] = lambda now_s: None,
    ) -> None:
        """Open the pin. ConfigurationError if this machine has no such pin.

        `on_pulse` is called with the monotonic time whenever the pin goes high, in a thread of gpiozero's; never if
        `debounce_s` is set, since short pulses are expected then.
        """
        self._on_pulse = on_pulse
        self._warmup_s = settings.warmup_s
        os.environ.setdefault("GPIOZERO_PIN_FACTORY", "lgpio")  # gpiozero's fallbacks do not work on a Pi 5
        self._debounce_s = settings.debounce_s
        self._rising_edge_s = time.monotonic()
        try:
            self._device = DigitalInputDevice(settings.pin, pin_factory=pin_factory)
            self._device.when_activated = self._record_rising_edge
        except (BadPinFactory, GPIOZeroError, ImportError, OSError) as error:
            raise ConfigurationError(
                f"the PIR on pin {settings.pin} cannot be opened ({error}): install python3-lgpio on a Raspberry Pi, "
                "or set motion.kind to simulated to try mien without a sensor"
            ) from error

    @property
    def is_warming_up(self) -> bool:
        return self._remaining_warmup_s() > 0

    def wait(self, timeout_s: float) -> bool:
        if (warmup_s := self._remaining_warmup_s()) > 0:
            time.sleep(min(warmup_s, timeout_s))
            return False
        deadline_s = time.monotonic() + timeout_s
        while self._device.wait_for_active(max(0.0, deadline_s - time.monotonic())):
            now_s = time.monotonic()
            if self.is_moving or now_s >= deadline_s:
                return self.is_moving
            self._device.wait_for_inactive(min(deadline_s, self._rising_edge_s + self._debounce_s) - now_s)
        return False

    @property
    def is_moving(self) -> bool:
        return bool(self._device.is_active) and time.monotonic() - self._rising_edge_s >= self._debounce_s

    def _record_rising_edge(self) -> None:
        self._rising_edge_s = time.monotonic()
        if not self._debounce_s:
            self._on_pulse(self._rising_edge_s)

    def _remaining_warmup_s(self) -> float:
        return self._warmup_s - _uptime_s()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._device.close()


def _uptime_s() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])

"""What the agent notices of itself and its machine, for its health."""

import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from mien.health import CameraHealth, Health, MachineHealth, OutboxHealth, SensorHealth

from .clock import Clock
from .eye import Eye
from .motion import MotionSource
from .rhythm import Rhythm
from .settings import AgentSettings
from .vision import Vision

TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")
"""Thousandths of a degree (Linux, thermal/sysfs-api)."""
THROTTLED_NOW = 0b1110
"""Of what `vcgencmd get_throttled` prints: frequency capped, throttled, soft temperature limit."""


class Vitals:
    """The agent's parts, whose state is asked when health is told."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        eye: Eye,
        vision: Vision,
        motion: MotionSource,
        rhythm: Rhythm,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._eye = eye
        self._vision = vision
        self._motion = motion
        self._rhythm = rhythm
        self._clock = clock

    def health(self, outbox: OutboxHealth) -> Health:
        """All that a device says of itself, with what its outbox has said."""
        return Health(
            outbox=outbox,
            sensor=self._sensor(),
            camera=self._camera(),
            vision=self._vision.health(),
            machine=self._machine(),
        )

    def _sensor(self) -> SensorHealth:
        now_s = time.monotonic()
        state: Literal["settling", "ok", "stuck", "periodic"] = self._rhythm.state(now_s)
        return SensorHealth(
            kind=self._settings.motion.kind,
            state="settling" if self._motion.settling else state,
            wakes_last_hour=self._rhythm.wakes_last_hour(now_s),
            period_s=self._rhythm.period_s,
        )

    def _camera(self) -> CameraHealth:
        eye = self._eye
        return CameraHealth(
            kind=self._settings.camera.kind, state=eye.state, failures=eye.failures, error=eye.error[:500]
        )

    def _machine(self) -> MachineHealth:
        return MachineHealth(
            clock=self._clock.state,
            disk_free_bytes=shutil.disk_usage(Path(self._settings.outbox).parent).free,
            temperature_celsius=_temperature(),
            throttled=_throttled(),
        )


def _temperature() -> float | None:
    with suppress(OSError, ValueError):
        return int(TEMPERATURE.read_text(encoding="ascii")) / 1000
    return None


def _throttled() -> bool | None:
    """What a Raspberry Pi says of itself (its documentation, vcgencmd)."""
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        told = subprocess.run([program, "get_throttled"], capture_output=True, text=True, timeout=2, check=True)
        return bool(int(told.stdout.strip().removeprefix("throttled="), 16) & THROTTLED_NOW)
    return None

"""What the agent notices of itself and its machine, for its health."""

import shutil
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np

from mien.health import CameraHealth, Health, MachineHealth, OutboxHealth, SensorHealth, VisionHealth

from .clock import Clock
from .eye import Eye
from .motion import MotionSource
from .rhythm import Rhythm
from .settings import AgentSettings

KEPT = 1000
"""Frames and inferences whose times are kept."""
TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")
"""Thousandths of a degree (Linux, thermal/sysfs-api)."""
THROTTLED_NOW = 0b1110
"""Of what `vcgencmd get_throttled` prints: frequency capped, throttled, soft temperature limit."""


class Vitals:
    """Counters and times that the agent's loop fills, and the parts whose state is asked when health is told."""

    def __init__(
        self, settings: AgentSettings, *, eye: Eye, motion: MotionSource, rhythm: Rhythm, clock: Clock
    ) -> None:
        self._settings = settings
        self._eye = eye
        self._motion = motion
        self._rhythm = rhythm
        self._clock = clock
        self.frames = self.faces = self.too_small = self.blurred = 0
        self.frame_ms: deque[float] = deque(maxlen=KEPT)
        self.inference_ms: deque[float] = deque(maxlen=KEPT)

    def health(self, outbox: OutboxHealth) -> Health:
        """All that a device says of itself, with what its outbox has said."""
        return Health(
            outbox=outbox, sensor=self._sensor(), camera=self._camera(), vision=self._vision(), machine=self._machine()
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

    def _vision(self) -> VisionHealth:
        frame_ms, inference_ms = _percentiles(self.frame_ms), _percentiles(self.inference_ms)
        return VisionHealth(
            frames=self.frames,
            faces=self.faces,
            too_small=self.too_small,
            blurred=self.blurred,
            frame_ms_p50=frame_ms[0],
            frame_ms_p95=frame_ms[1],
            inference_ms_p50=inference_ms[0],
            inference_ms_p95=inference_ms[1],
        )

    def _machine(self) -> MachineHealth:
        return MachineHealth(
            clock=self._clock.state,
            disk_free_bytes=shutil.disk_usage(Path(self._settings.outbox).parent).free,
            temperature_celsius=_temperature(),
            throttled=_throttled(),
        )


def _percentiles(values: deque[float]) -> Sequence[float | None]:
    kept = list(values)  # the agent's thread goes on
    return [round(float(one), 2) for one in np.percentile(kept, (50, 95))] if kept else [None, None]


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

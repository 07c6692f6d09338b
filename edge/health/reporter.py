"""Builds the agent's health report."""

import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from mien.edge.camera.camera_manager import CameraManager
from mien.edge.delivery.clock import Clock
from mien.edge.motion.sensor import MotionSensor
from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.settings import AgentSettings
from mien.edge.vision.pipeline import VisionPipeline
from mien.messages.health import CameraHealth, Health, MachineHealth, OutboxHealth, SensorHealth
from mien.messages.text import to_short_text
from mien.settings.tagged_union import tag_of

from .recent_predictions import RecentPredictions

TEMPERATURE_FILE = Path("/sys/class/thermal/thermal_zone0/temp")
"""Thousandths of a degree Celsius (Linux, thermal/sysfs-api)."""
THROTTLED_NOW = 0b1110
"""Bits of `vcgencmd get_throttled`: frequency capped, throttled, soft temperature limit."""


class HealthReporter:
    """Reads the state of the agent's parts and of the machine."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        camera_manager: CameraManager,
        vision: VisionPipeline,
        motion: MotionSensor,
        sensor_monitor: MotionSensorMonitor,
        clock: Clock,
        recent_predictions: RecentPredictions | None = None,
    ) -> None:
        """Without `recent_predictions`, none are reported."""
        self._settings = settings
        self._camera_manager = camera_manager
        self._vision = vision
        self._motion = motion
        self._sensor_monitor = sensor_monitor
        self._clock = clock
        self._recent_predictions = recent_predictions or RecentPredictions()

    def build_health(self, outbox: OutboxHealth) -> Health:
        """The full report, with this health of the outbox."""
        predictions, mean_confidence = self._recent_predictions.shares() or (None, None)
        return Health(
            outbox=outbox,
            sensor=self._sensor(),
            camera=self._camera(),
            vision=self._vision.health(),
            machine=self._machine(),
            predictions=predictions,
            mean_confidence=mean_confidence,
        )

    def _sensor(self) -> SensorHealth:
        now_s = time.monotonic()
        state: Literal["warming_up", "ok", "stuck", "periodic"] = self._sensor_monitor.state(now_s)
        return SensorHealth(
            kind=tag_of(self._settings.motion),
            state="warming_up" if self._motion.is_warming_up else state,
            wakes_last_hour=self._sensor_monitor.wakes_last_hour(now_s),
            period_s=self._sensor_monitor.period_s,
            fault=None if self._motion.is_warming_up else self._sensor_monitor.fault(now_s),
        )

    def _camera(self) -> CameraHealth:
        return CameraHealth(
            kind=tag_of(self._settings.camera),
            state=self._camera_manager.state,
            failures=self._camera_manager.failures,
            error=to_short_text(self._camera_manager.error),
            paused=self._camera_manager.is_paused,
            fault=self._camera_manager.fault,
            faults=self._camera_manager.fault_counts,
            color=self._camera_manager.has_color,
        )

    def _machine(self) -> MachineHealth:
        return MachineHealth(
            clock=self._clock.state,
            disk_free_bytes=shutil.disk_usage(Path(self._settings.outbox).parent).free,
            temperature_celsius=_read_temperature(),
            throttled=_read_throttled(),
        )


def _read_temperature() -> float | None:
    with suppress(OSError, ValueError):
        return int(TEMPERATURE_FILE.read_text(encoding="ascii")) / 1000
    return None


def _read_throttled() -> bool | None:
    """Whether a Raspberry Pi is throttled (its documentation, vcgencmd); None on other machines."""
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        result = subprocess.run([program, "get_throttled"], capture_output=True, text=True, timeout=2, check=True)
        return bool(int(result.stdout.strip().removeprefix("throttled="), 16) & THROTTLED_NOW)
    return None

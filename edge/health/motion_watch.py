"""Counts what the motion sensor sees while someone walks past it, for `mien doctor`."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from mien.checks import CheckResult, error, failed, ok
from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.factory import check_camera
from mien.edge.motion.factory import open_motion_sensor
from mien.edge.motion.sensor import MotionSensor
from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.motion.settings import AlwaysOnSettings, FrameDifferenceSettings, PirSettings
from mien.edge.settings import AgentSettings
from mien.errors import CameraError, MienError

SUBJECT = "motion"
SAMPLE_S = 0.02
WARMUP_POLL_S = 0.5
MAX_LISTED = 20
"""Movements with a line of their own."""
PIR_HINT = "if you walked past it, check its wires (OUT on GPIO {pin}, VCC on 5 V, GND) and its jumper"
FRAME_HINT = "if you walked through the image, lower motion.motion_threshold from {threshold:g}"
SIMULATED_HINT = "motion.intervals_s has no movement so early"


def watch_motion(settings: AgentSettings, duration_s: float) -> Iterator[CheckResult]:
    """A result for each movement as it ends, and one that sums up, which is an error if the sensor is of no use.

    A PIR that has just been switched on is waited for first.
    """
    if isinstance(settings.motion, AlwaysOnSettings):
        yield ok(SUBJECT, "no sensor: the agent is always on")
        return
    uses_camera = isinstance(settings.motion, FrameDifferenceSettings)
    monitor = MotionSensorMonitor(settings.motion)
    try:
        with ExitStack() as resources:
            camera_manager = CameraManager(settings.camera, standby=uses_camera)
            if uses_camera:
                check_camera(settings.camera)
                resources.enter_context(camera_manager)
            sensor = resources.enter_context(
                open_motion_sensor(settings.motion, camera_manager, on_pulse=monitor.record_pulse)
            )
            while sensor.is_warming_up:
                time.sleep(WARMUP_POLL_S)
            movements: list[tuple[float, float]] = []
            for movement in _movements(sensor, monitor, duration_s):
                movements.append(movement)
                if len(movements) <= MAX_LISTED:
                    start_s, end_s = movement
                    yield ok(SUBJECT, f"movement {len(movements)}: after {start_s:.1f} s, for {end_s - start_s:.1f} s")
            if camera_manager.error:
                raise CameraError(camera_manager.error)
            yield _sum_up(settings, movements, duration_s, monitor)
    except MienError as problem:
        yield failed(SUBJECT, problem)


def _movements(sensor: MotionSensor, monitor: MotionSensorMonitor, duration_s: float) -> Iterator[tuple[float, float]]:
    """Start and end of each movement as it ends, in seconds since now; the last may end with the time."""
    began_s = time.monotonic()
    moving_since_s: float | None = None
    while (now_s := time.monotonic() - began_s) < duration_s:
        is_moving = sensor.is_moving
        monitor.record(is_moving=is_moving, now_s=began_s + now_s)
        if is_moving and moving_since_s is None:
            moving_since_s = now_s
        elif not is_moving and moving_since_s is not None:
            yield moving_since_s, now_s
            moving_since_s = None
        time.sleep(SAMPLE_S)
    if moving_since_s is not None:
        yield moving_since_s, now_s


def _sum_up(
    settings: AgentSettings, movements: list[tuple[float, float]], duration_s: float, monitor: MotionSensorMonitor
) -> CheckResult:
    durations_s = [end_s - start_s for start_s, end_s in movements]
    if monitor.fault(time.monotonic()) == "bouncing":
        hint = (
            "fix the wire to OUT, which is loose or carries a disturbance; motion.debounce_s = 0.2 may help meanwhile"
        )
        return error(SUBJECT, "the line bounces: ten pulses or more in ten seconds, which no sensor makes", hint)
    if not movements:
        return error(SUBJECT, f"no motion in {duration_s:g} s", _nothing_hint(settings))
    if len(movements) == 1 and sum(durations_s) > 0.9 * duration_s:
        hint = "leave its view and try again; if it stays so, check its wires and turn it away from heat and sunlight"
        return error(SUBJECT, f"motion without a pause for {duration_s:g} s", hint)
    count = "1 movement" if len(movements) == 1 else f"{len(movements)} movements"
    share = sum(durations_s) / duration_s
    return ok(SUBJECT, f"{count} in {duration_s:g} s, the longest {max(durations_s):.1f} s, {share:.0%} of the time")


def _nothing_hint(settings: AgentSettings) -> str:
    match settings.motion:
        case PirSettings(pin=pin):
            return PIR_HINT.format(pin=pin)
        case FrameDifferenceSettings(motion_threshold=threshold):
            return FRAME_HINT.format(threshold=threshold)
    return SIMULATED_HINT

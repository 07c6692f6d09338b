"""Opens the motion sensor that the settings name."""

import logging
from collections.abc import Callable

from mien.edge.camera.camera_manager import CameraManager

from .frame_difference import FrameDifferenceSensor
from .pir import PirSensor
from .sensor import AlwaysOnSensor, MotionSensor
from .settings import (
    AlwaysOnSettings,
    FrameDifferenceSettings,
    MotionSettings,
    PirSettings,
    SimulatedMotionSettings,
)
from .simulated_pir import SimulatedPirSensor

log = logging.getLogger(__name__)


def open_motion_sensor(
    settings: MotionSettings,
    camera_manager: CameraManager,
    *,
    on_pulse: Callable[[float], None] = lambda now_s: None,
) -> MotionSensor:
    """The motion sensor; frame_difference polls the camera. ConfigurationError if a PIR cannot be opened.

    `on_pulse` is called with the monotonic time whenever the line of a PIR goes high.
    """
    match settings:
        case PirSettings():
            return PirSensor(settings, on_pulse=on_pulse)
        case FrameDifferenceSettings():
            return FrameDifferenceSensor(settings, camera_manager.poll)
        case AlwaysOnSettings():
            return AlwaysOnSensor()
        case SimulatedMotionSettings():
            log.info("the motion sensor is simulated")
            return SimulatedPirSensor(settings, on_pulse=on_pulse)

"""Every kind of motion sensor that works without hardware, opened as the agent opens it."""

from polling import wait_for

from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.settings import RpicamSettings
from mien.edge.motion.factory import open_motion_sensor
from mien.edge.motion.sensor import AlwaysOnSensor
from mien.edge.motion.settings import AlwaysOnSettings, SimulatedMotionSettings
from mien.edge.motion.simulated_pir import SimulatedPirSensor

CAMERA_MANAGER = CameraManager(RpicamSettings())


def test_simulated_motion_drives_the_pin_of_a_real_sensor() -> None:
    with open_motion_sensor(SimulatedMotionSettings(intervals_s=[(0.1, 1.0)]), CAMERA_MANAGER) as sensor:
        assert isinstance(sensor, SimulatedPirSensor)
        assert sensor.wait(5.0)
        assert sensor.is_moving
        wait_for(lambda: not sensor.is_moving)


def test_simulated_motion_can_repeat() -> None:
    settings = SimulatedMotionSettings(intervals_s=[(0.0, 0.05)], period_s=0.15)
    with open_motion_sensor(settings, CAMERA_MANAGER) as sensor:
        for _ in range(3):
            assert sensor.wait(5.0)
            wait_for(lambda: not sensor.is_moving)


def test_an_always_on_sensor_always_reports_motion() -> None:
    with open_motion_sensor(AlwaysOnSettings(), CAMERA_MANAGER) as sensor:
        assert isinstance(sensor, AlwaysOnSensor)
        assert sensor.wait(0.0)
        assert sensor.is_moving

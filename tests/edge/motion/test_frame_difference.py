"""Motion detection by the differences between frames."""

import numpy as np
import pytest
from simulated_time import SimulatedTime

from mien.edge.camera.frame import Frame
from mien.edge.motion.frame_difference import FrameDifferenceSensor
from mien.edge.motion.settings import FrameDifferenceSettings

SETTINGS = FrameDifferenceSettings()


class SimulatedRoom:
    """The frames of a camera in a room: noise, ambient light, and possibly a person."""

    def __init__(self) -> None:
        self.brightness = 100.0
        self.person_left_px = -1
        """Left edge of the person; negative without one."""
        self._now_s = 0.0
        self._random = np.random.default_rng(1)

    def newest_frame(self) -> Frame:
        self._now_s += 1.0
        gray = self._random.normal(self.brightness, 6, (480, 640))
        if self.person_left_px >= 0:
            gray[200:400, self.person_left_px : self.person_left_px + 100] += 80
        return Frame(np.clip(gray, 0, 255).astype(np.uint8), self._now_s)


def test_a_walking_person_is_motion_but_noise_and_light_are_not() -> None:
    room = SimulatedRoom()
    with FrameDifferenceSensor(SETTINGS, room.newest_frame) as sensor:
        assert not any(sensor.is_moving for _ in range(10))
        room.brightness = 130.0
        assert not any(sensor.is_moving for _ in range(10))
        room.person_left_px = 50
        assert sensor.wait(1.0)
        readings = []
        for room.person_left_px in range(60, 160, 20):
            readings.append(sensor.is_moving)
        assert all(readings)
        assert not any([sensor.is_moving for _ in range(10)][1:])  # the person stands still


def test_without_frames_there_is_no_motion() -> None:
    time = SimulatedTime()
    with FrameDifferenceSensor(SETTINGS, lambda: None, time.timer()) as sensor:
        assert not sensor.wait(0.3)
    assert time.now_s == pytest.approx(0.3)

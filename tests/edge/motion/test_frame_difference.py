"""Motion detection by the differences between frames."""

import numpy as np
import pytest
from numpy.typing import NDArray
from parts.drawn_rooms import HEIGHT, WIDTH, Room
from simulated_time import SimulatedTime

from mien.edge.camera.frame import Frame
from mien.edge.motion.frame_difference import COMPARISON_INTERVAL_S, FrameDifferenceSensor
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


class Camera:
    """Shows the images of a drawn room to a sensor, one for each comparison."""

    def __init__(self) -> None:
        self._image = np.zeros((HEIGHT, WIDTH), np.uint8)
        self._now_s = 0.0
        self._sensor = FrameDifferenceSensor(SETTINGS, lambda: Frame(self._image, self._now_s))

    def is_moving(self, image: NDArray[np.uint8]) -> bool:
        self._image = image
        self._now_s += COMPARISON_INTERVAL_S
        return self._sensor.is_moving


def room_and_camera(seed: int, ambient: float = 1.0) -> tuple[Room, Camera]:
    room, camera = Room(np.random.default_rng(seed), ambient), Camera()
    assert not any(camera.is_moving(room.shoot()) for _ in range(4))
    return room, camera


@pytest.mark.parametrize("seed", range(12))
def test_a_lamp_that_is_switched_on_and_off_is_no_motion(seed: int) -> None:
    room, camera = room_and_camera(seed, ambient=0.1 + 0.08 * seed)
    lamp = room.lamp(0.2 + 0.15 * seed)
    for light in (room.light + lamp, room.light):
        room.light = light
        for _ in range(10):
            assert not camera.is_moving(room.shoot())
            room.gain += 0.4 * (room.ideal_gain() - room.gain)  # the exposure follows


@pytest.mark.parametrize("seed", range(3))
def test_daylight_that_comes_and_goes_is_no_motion(seed: int) -> None:
    room, camera = room_and_camera(seed)
    daylight = room.lamp(1.5)
    for number in range(60):
        room.light = room.light + daylight * np.float32(0.02 if number < 30 else -0.02)
        room.gain += 0.1 * (room.ideal_gain() - room.gain)
        assert not camera.is_moving(room.shoot())


@pytest.mark.parametrize("seed", range(12))
def test_a_walker_is_seen_before_he_has_crossed_half_of_the_image(seed: int) -> None:
    room, camera = room_and_camera(seed)
    height = 80 + 10 * seed  # of 240, so from across a hall to close by
    person = room.person(height, height // 3)
    step = round((0.5 + 0.1 * seed) * height / 1.7 * COMPARISON_INTERVAL_S)  # 0.5 to 1.6 m/s
    lefts = range(-person.shape[1], WIDTH // 2, step)
    assert any(camera.is_moving(room.shoot(person, left, HEIGHT - height)) for left in lefts)


@pytest.mark.parametrize("seed", range(8))
def test_whoever_steps_right_in_front_of_the_camera_is_no_lamp(seed: int) -> None:
    room, camera = room_and_camera(seed)
    width = int(WIDTH * (0.5 + 0.05 * seed))
    person = room.person(HEIGHT, width)
    assert any(camera.is_moving(room.shoot(person, left)) for left in ((WIDTH - width) // 2 - 60, (WIDTH - width) // 2))


def test_a_walker_is_seen_a_second_after_a_lamp_was_switched_on() -> None:
    room, camera = room_and_camera(1)
    person = room.person(180, 60)
    room.light = room.light + room.lamp(1.0)
    readings = [camera.is_moving(room.shoot(person, left, 60)) for left in range(-20, 280, 20)]
    assert not any(readings[:4])
    assert sum(readings[4:]) >= 8


def test_without_frames_there_is_no_motion() -> None:
    time = SimulatedTime()
    with FrameDifferenceSensor(SETTINGS, lambda: None, time.timer()) as sensor:
        assert not sensor.wait(0.3)
    assert time.now_s == pytest.approx(0.3)

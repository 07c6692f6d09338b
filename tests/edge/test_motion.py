import time

import numpy as np
import pytest
from gpiozero.pins.mock import MockFactory

from mien.edge.eye import Eye
from mien.edge.frame import Frame
from mien.edge.frame_motion import FrameMotion
from mien.edge.motion import Always, Pir, ScriptedPir, open_motion
from mien.edge.settings import Camera, Motion
from mien.errors import ConfigurationError

EYE = Eye(Camera())


def test_it_wakes_when_the_pin_goes_high() -> None:
    factory = MockFactory()
    with Pir(Motion(pin=17, settle_s=0), factory) as pir:
        assert not pir.wait(0.05)
        factory.pin(17).drive_high()
        assert pir.wait(5.0)
        assert pir.moving
        factory.pin(17).drive_low()
        assert not pir.moving


def test_a_sensor_that_has_not_settled_is_not_believed() -> None:
    factory = MockFactory()
    with Pir(Motion(settle_s=1e9), factory) as pir:
        factory.pin(4).drive_high()
        assert not pir.wait(0.1)


def test_a_script_moves_the_pin_of_a_real_sensor() -> None:
    with open_motion(Motion(script=[(0.1, 0.4)]), EYE) as motion:
        assert isinstance(motion, ScriptedPir)
        assert motion.wait(5.0)
        assert motion.moving
        time.sleep(0.6)
        assert not motion.moving


def test_a_script_can_repeat() -> None:
    with open_motion(Motion(script=[(0.0, 0.1)], repeat_s=0.3), EYE) as motion:
        for _ in range(3):
            assert motion.wait(5.0)
            while motion.moving:
                time.sleep(0.01)


def test_a_machine_without_pins_is_told_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"the PIR on pin 4 cannot be opened .* set motion.script"):
        Pir(Motion())


def test_a_short_signal_is_no_movement() -> None:
    factory = MockFactory()
    with Pir(Motion(settle_s=0, debounce_s=0.2), factory) as pir:
        factory.pin(4).drive_high()
        time.sleep(0.05)
        factory.pin(4).drive_low()
        assert not pir.wait(0.5)
        factory.pin(4).drive_high()
        assert not pir.moving
        assert not pir.wait(0.05)
        begun_s = time.monotonic()
        assert pir.wait(5.0)
        assert time.monotonic() - begun_s < 2.0
        assert pir.moving


def test_a_sensor_that_bounces_is_believed_when_it_stays() -> None:
    factory = MockFactory()
    with Pir(Motion(settle_s=0, debounce_s=0.2), factory) as pir:
        ends_s = time.monotonic() + 0.6
        while time.monotonic() < ends_s:
            factory.pin(4).drive_high()
            assert not pir.wait(0.02)
            factory.pin(4).drive_low()
        factory.pin(4).drive_high()
        assert pir.wait(5.0)


def test_a_sensor_that_reports_movement_from_the_start_is_heard() -> None:
    factory = MockFactory()
    with Pir(Motion(settle_s=0), factory) as pir:
        factory.pin(4).drive_high()
        assert pir.moving
        assert pir.wait(0.0)


def test_always_is_always() -> None:
    with open_motion(Motion(kind="always"), EYE) as motion:
        assert isinstance(motion, Always)
        assert motion.wait(0.0)
        assert motion.moving


class Room:
    """What a camera sees of a room: noise, a lamp, somebody who walks by."""

    def __init__(self) -> None:
        self.light = 100.0
        self.person = -1
        self._now_s = 0.0
        self._random = np.random.default_rng(1)

    def newest(self) -> Frame:
        self._now_s += 1.0
        gray = self._random.normal(self.light, 6, (480, 640))
        if self.person >= 0:
            gray[200:400, self.person : self.person + 100] += 80
        return Frame(np.clip(gray, 0, 255).astype(np.uint8), self._now_s)


def test_a_person_in_the_picture_is_movement_and_noise_and_light_are_not() -> None:
    room = Room()
    with FrameMotion(Motion(kind="frames"), room.newest) as motion:
        assert not any(motion.moving for _ in range(10))
        room.light = 130.0
        assert not any(motion.moving for _ in range(10))
        room.person = 50
        assert motion.wait(1.0)
        moved = []
        for room.person in range(60, 160, 20):
            moved.append(motion.moving)
        assert all(moved)
        assert not any([motion.moving for _ in range(10)][1:])  # stands still


def test_no_camera_is_no_movement() -> None:
    with FrameMotion(Motion(kind="frames"), lambda: None) as motion:
        assert not motion.wait(0.3)

import time

import pytest
from gpiozero.pins.mock import MockFactory

from mien.edge.motion import Pir, ScriptedPir, open_motion
from mien.edge.settings import Motion
from mien.errors import ConfigurationError


def test_it_wakes_when_the_pin_goes_high() -> None:
    factory = MockFactory()
    with Pir(Motion(pin=17, settle_s=0), factory) as pir:
        assert not pir.wait(0.05)
        factory.pin(17).drive_high()
        assert pir.wait(5.0)
        assert pir.moving
        factory.pin(17).drive_low()
        time.sleep(0.1)  # two polls of the sensor's thread
        assert not pir.moving


def test_a_sensor_that_has_not_settled_is_not_believed() -> None:
    factory = MockFactory()
    with Pir(Motion(settle_s=1e9), factory) as pir:
        factory.pin(4).drive_high()
        assert not pir.wait(0.1)


def test_a_script_moves_the_pin_of_a_real_sensor() -> None:
    with open_motion(Motion(script=[(0.1, 0.4)])) as motion:
        assert isinstance(motion, ScriptedPir)
        assert motion.wait(5.0)
        assert motion.moving
        time.sleep(0.6)
        assert not motion.moving


def test_a_script_can_repeat() -> None:
    with open_motion(Motion(script=[(0.0, 0.1)], repeat_s=0.3)) as motion:
        for _ in range(3):
            assert motion.wait(5.0)
            while motion.moving:
                time.sleep(0.01)


def test_a_machine_without_pins_is_told_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"the PIR on pin 4 cannot be opened .* set motion.script"):
        Pir(Motion())

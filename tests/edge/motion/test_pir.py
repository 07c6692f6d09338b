"""A PIR sensor on gpiozero's mock pins."""

import time

import pytest
from gpiozero.pins.mock import MockFactory

from mien.edge.motion.pir import PirSensor
from mien.edge.motion.settings import PirSettings
from mien.errors import ConfigurationError


def test_it_wakes_when_the_pin_goes_high() -> None:
    factory = MockFactory()
    with PirSensor(PirSettings(pin=17, warmup_s=0), factory) as sensor:
        assert not sensor.wait(0.05)
        factory.pin(17).drive_high()
        assert sensor.wait(5.0)
        assert sensor.is_moving
        factory.pin(17).drive_low()
        assert not sensor.is_moving


def test_a_sensor_that_is_warming_up_is_ignored() -> None:
    factory = MockFactory()
    with PirSensor(PirSettings(warmup_s=1e9), factory) as sensor:
        factory.pin(4).drive_high()
        assert not sensor.wait(0.1)


def test_a_machine_without_pins_is_an_error_with_a_hint() -> None:
    with pytest.raises(ConfigurationError, match=r"the PIR on pin 4 cannot be opened .* set motion.kind to simulated"):
        PirSensor(PirSettings())


def test_a_short_signal_is_not_motion() -> None:
    factory = MockFactory()
    with PirSensor(PirSettings(warmup_s=0, debounce_s=0.2), factory) as sensor:
        factory.pin(4).drive_high()
        time.sleep(0.05)
        factory.pin(4).drive_low()
        assert not sensor.wait(0.5)
        factory.pin(4).drive_high()
        assert not sensor.is_moving
        assert not sensor.wait(0.05)
        start_s = time.monotonic()
        assert sensor.wait(5.0)
        assert time.monotonic() - start_s < 2.0
        assert sensor.is_moving


def test_every_pulse_is_reported_unless_short_ones_are_expected() -> None:
    for debounce_s, expected in ((0.0, 12), (0.2, 0)):
        factory, pulses_s = MockFactory(), list[float]()
        with PirSensor(PirSettings(warmup_s=0, debounce_s=debounce_s), factory, on_pulse=pulses_s.append):
            for _ in range(12):
                factory.pin(4).drive_high()
                factory.pin(4).drive_low()
        assert len(pulses_s) == expected
        assert pulses_s == sorted(pulses_s)


def test_a_bouncing_signal_is_motion_once_it_is_stable() -> None:
    factory = MockFactory()
    with PirSensor(PirSettings(warmup_s=0, debounce_s=0.2), factory) as sensor:
        deadline_s = time.monotonic() + 0.6
        while time.monotonic() < deadline_s:
            factory.pin(4).drive_high()
            assert not sensor.wait(0.02)
            factory.pin(4).drive_low()
        factory.pin(4).drive_high()
        assert sensor.wait(5.0)


def test_a_sensor_that_reports_motion_from_the_start_is_not_missed() -> None:
    factory = MockFactory()
    with PirSensor(PirSettings(warmup_s=0), factory) as sensor:
        factory.pin(4).drive_high()
        assert sensor.is_moving
        assert sensor.wait(0.0)

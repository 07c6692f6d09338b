"""However much a device does wrong, it gets one line a minute, and no count is lost."""

import logging

import pytest

from mien.broker.intake.device_log import INTERVAL_S, MAX_DEVICES, DeviceLog


class Clock:
    """A clock that the test sets."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def device_log(clock: Clock) -> DeviceLog:
    return DeviceLog(logging.getLogger("test"), "%(device)s: %(count)d, %(detail)s", clock=clock)


def test_a_device_gets_one_line_a_minute_with_its_count(
    device_log: DeviceLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(int(INTERVAL_S) * 10):
        device_log.add("hallway", 5, "no JSON")
        device_log.add("kitchen", 1, "ahead")
        device_log.write()
        clock.now_s += 0.1
    assert caplog.messages == ["hallway: 5, no JSON", "kitchen: 1, ahead"]
    clock.now_s += 0.1
    device_log.write()
    assert caplog.messages[2:] == ["hallway: 2995, no JSON", "kitchen: 599, ahead"]


def test_the_rest_is_logged_at_the_end(device_log: DeviceLog, caplog: pytest.LogCaptureFixture) -> None:
    device_log.add("hallway", 1, "first")
    device_log.write()
    device_log.add("hallway", 2, "second")
    device_log.add("hallway", 3, "third")
    device_log.write(is_last=True)
    device_log.write(is_last=True)
    assert caplog.messages == ["hallway: 1, first", "hallway: 5, third"]


def test_a_device_that_stopped_is_forgotten(
    device_log: DeviceLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    device_log.add("hallway", 1, "first")
    device_log.write()
    clock.now_s += INTERVAL_S
    device_log.write()
    assert device_log._devices == {}
    device_log.add("hallway", 1, "second")
    device_log.write()
    assert caplog.messages == ["hallway: 1, first", "hallway: 1, second"]


def test_its_memory_is_limited(device_log: DeviceLog) -> None:
    for number in range(3 * MAX_DEVICES):
        device_log.add(f"device-{number}", 1)
        device_log.write()
        device_log.add(f"device-{number}", 1)
        device_log.write()
    assert len(device_log._devices) <= MAX_DEVICES + 1

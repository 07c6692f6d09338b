"""A sensor that is stuck or triggers itself is distinguished from one that detects people."""

from random import Random

from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.motion.settings import AlwaysOnSettings, PirSettings


def record_wake(sensor_monitor: MotionSensorMonitor, at_s: float, duration_s: float = 3.0) -> None:
    assert sensor_monitor.record(is_moving=True, now_s=at_s)
    assert not sensor_monitor.record(is_moving=True, now_s=at_s + duration_s / 2)
    assert sensor_monitor.record(is_moving=False, now_s=at_s + duration_s)


def test_people_arrive_at_irregular_intervals() -> None:
    sensor_monitor, random, now_s = MotionSensorMonitor(PirSettings()), Random(5), 0.0
    for _ in range(200):
        now_s += 10 + random.expovariate(1 / 60)
        record_wake(sensor_monitor, now_s)
        assert sensor_monitor.state(now_s + 3) == "ok"
        assert sensor_monitor.rest_s(300, now_s + 3) == 0.0
    assert sensor_monitor.max_capture_s(now_s) == 300.0


def test_a_sensor_that_triggers_itself_is_detected_by_its_regular_intervals() -> None:
    sensor_monitor, random = MotionSensorMonitor(PirSettings(faulty_sensor_duty=0.25)), Random(5)
    for number in range(20):
        record_wake(sensor_monitor, 30.0 * number + random.uniform(0, 0.5))
    now_s = 600.0
    assert sensor_monitor.state(now_s) == "periodic"
    assert sensor_monitor.period_s is not None
    assert abs(sensor_monitor.period_s - 30) < 0.5
    assert sensor_monitor.wakes_last_hour(now_s) == 20
    assert sensor_monitor.max_capture_s(now_s) == 20.0
    assert sensor_monitor.rest_s(20.0, now_s) == 60.0  # the camera runs a quarter of the time
    record_wake(sensor_monitor, now_s + 200)
    assert sensor_monitor.state(now_s + 210) == "ok"
    assert sensor_monitor.wakes_last_hour(now_s + 3600) == 1


def test_a_sensor_is_stuck_until_its_motion_ends() -> None:
    sensor_monitor = MotionSensorMonitor(PirSettings(stuck_after_s=100))
    sensor_monitor.record(is_moving=True, now_s=0.0)
    assert sensor_monitor.state(99.0) == "ok"
    assert sensor_monitor.state(100.0) == "stuck"
    sensor_monitor.record(is_moving=False, now_s=110.0)
    assert sensor_monitor.state(111.0) == "ok"


def test_a_line_that_never_goes_high_is_told_from_one_that_has_fallen_silent() -> None:
    settings = PirSettings(silent_after_s=100)
    never, once = MotionSensorMonitor(settings, started_s=1000.0), MotionSensorMonitor(settings, started_s=1000.0)
    record_wake(once, 1050.0)
    assert (never.fault(1099.0), once.fault(1152.0)) == (None, None)
    assert (never.fault(1100.0), once.fault(1153.0)) == ("stuck_low", "silent")
    assert (never.state(1100.0), once.state(1153.0)) == ("ok", "ok")  # for collectors of older releases
    assert never.max_capture_s(1100.0) == 300.0  # it does no harm, it only does not wake
    record_wake(never, 1200.0)
    assert never.fault(1203.0) is None


def test_by_default_a_weekend_is_no_silence_but_four_days_are() -> None:
    sensor_monitor = MotionSensorMonitor(PirSettings(), started_s=0.0)
    record_wake(sensor_monitor, 60.0)
    friday_evening_to_monday_morning_s = 64 * 3600.0
    assert sensor_monitor.fault(63.0 + friday_evening_to_monday_morning_s) is None
    assert sensor_monitor.fault(63.0 + 4 * 86_400.0) == "silent"


def test_a_line_that_is_high_without_a_pause_is_stuck_high() -> None:
    sensor_monitor = MotionSensorMonitor(PirSettings(stuck_after_s=100))
    sensor_monitor.record(is_moving=True, now_s=0.0)
    assert (sensor_monitor.fault(99.0), sensor_monitor.fault(100.0)) == (None, "stuck_high")


def test_pulses_faster_than_a_sensor_s_come_from_a_loose_wire() -> None:
    sensor_monitor = MotionSensorMonitor(PirSettings(faulty_sensor_duty=0.25), started_s=0.0)
    for number in range(100):
        sensor_monitor.record_pulse(2.0 * number)  # as fast as an AM312 can
    assert sensor_monitor.fault(200.0) is None
    for number in range(10):
        sensor_monitor.record_pulse(300.0 + 0.05 * number)
    assert (sensor_monitor.fault(301.0), sensor_monitor.state(301.0)) == ("bouncing", "stuck")
    assert sensor_monitor.max_capture_s(301.0) == 20.0
    assert sensor_monitor.rest_s(20.0, 301.0) == 60.0
    assert sensor_monitor.fault(430.0) is None


def test_an_always_on_sensor_is_not_stuck() -> None:
    sensor_monitor = MotionSensorMonitor(AlwaysOnSettings(stuck_after_s=100))
    sensor_monitor.record(is_moving=True, now_s=0.0)
    assert sensor_monitor.state(1e6) == "ok"
    assert MotionSensorMonitor(AlwaysOnSettings(), started_s=0.0).fault(1e6) is None

from simulated_time import SimulatedTime

from mien.mqtt.log_interval import LogInterval


def test_a_subject_is_logged_at_once_and_then_once_a_minute_with_the_count() -> None:
    time = SimulatedTime()
    interval = LogInterval(monotonic_s=lambda: time.now_s)
    assert interval.count("a") == 1
    assert interval.count("b") == 1
    assert [interval.count("a") for _ in range(3)] == [0, 0, 0]
    time.sleep(59)
    assert interval.count("a") == 0
    time.sleep(1)
    assert interval.count("a") == 5
    assert interval.count("a") == 0

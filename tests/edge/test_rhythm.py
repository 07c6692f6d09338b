"""A sensor that is stuck or triggers itself is told from one that sees people."""

from random import Random

from mien.edge.rhythm import Rhythm
from mien.edge.settings import Motion


def wake(rhythm: Rhythm, at_s: float, lasting_s: float = 3.0) -> None:
    assert rhythm.note(moving=True, now_s=at_s)
    assert not rhythm.note(moving=True, now_s=at_s + lasting_s / 2)
    assert rhythm.note(moving=False, now_s=at_s + lasting_s)


def test_people_come_at_uneven_times() -> None:
    rhythm, source, now_s = Rhythm(Motion()), Random(5), 0.0
    for _ in range(200):
        now_s += 10 + source.expovariate(1 / 60)
        wake(rhythm, now_s)
        assert rhythm.state(now_s + 3) == "ok"
        assert rhythm.rest_s(300, now_s + 3) == 0.0
    assert rhythm.longest_capture_s(now_s) == 300.0


def test_a_sensor_that_triggers_itself_is_found_by_its_even_distances() -> None:
    rhythm, source = Rhythm(Motion(unbelieved_duty=0.25)), Random(5)
    for number in range(20):
        wake(rhythm, 30.0 * number + source.uniform(0, 0.5))
    now_s = 600.0
    assert rhythm.state(now_s) == "periodic"
    assert rhythm.period_s is not None
    assert abs(rhythm.period_s - 30) < 0.5
    assert rhythm.wakes_last_hour(now_s) == 20
    assert rhythm.longest_capture_s(now_s) == 20.0
    assert rhythm.rest_s(20.0, now_s) == 60.0  # a quarter of the time it looks
    wake(rhythm, now_s + 200)
    assert rhythm.state(now_s + 210) == "ok"
    assert rhythm.wakes_last_hour(now_s + 3600) == 1


def test_a_sensor_that_never_falls_is_stuck_until_it_does() -> None:
    rhythm = Rhythm(Motion(stuck_after_s=100))
    rhythm.note(moving=True, now_s=0.0)
    assert rhythm.state(99.0) == "ok"
    assert rhythm.state(100.0) == "stuck"
    rhythm.note(moving=False, now_s=110.0)
    assert rhythm.state(111.0) == "ok"


def test_what_is_meant_to_observe_always_is_not_stuck() -> None:
    rhythm = Rhythm(Motion(kind="always", stuck_after_s=100))
    rhythm.note(moving=True, now_s=0.0)
    assert rhythm.state(1e6) == "ok"

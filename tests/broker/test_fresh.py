"""What was just answered is not asked of the log again."""

import threading

import pytest

from mien.broker.fresh import Fresh


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_an_answer_is_kept_for_its_time_and_a_slow_one_longer() -> None:
    clock, made = Clock(), list[str]()
    fresh = Fresh[int](1.0, clock)

    def make(name: str, took_s: float) -> int:
        clock.now_s += took_s
        made.append(name)
        return len(made)

    for waited_s in (0.0, 0.9, 0.2):
        clock.now_s += waited_s
        fresh.get("quick", lambda: make("quick", 0.01))
    assert made == ["quick", "quick"]
    for waited_s in (0.0, 7.9, 0.2):
        clock.now_s += waited_s
        fresh.get("slow", lambda: make("slow", 2.0))
    assert made[2:] == ["slow", "slow"]
    fresh.forget()
    fresh.get("quick", lambda: make("quick", 0.01))
    fresh.get("slow", lambda: make("slow", 2.0))
    assert made[4:] == ["quick"]


def test_who_asks_meanwhile_waits_for_the_answer_that_is_being_made() -> None:
    fresh, begun, go_on, made = Fresh[int](1.0), threading.Event(), threading.Event(), list[int]()

    def make() -> int:
        begun.set()
        go_on.wait(10)
        made.append(1)
        return 7

    answers = list[int]()
    threads = [threading.Thread(target=lambda: answers.append(fresh.get("a", make))) for _ in range(20)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join()
    assert answers == [7] * 20
    assert made == [1]


def test_a_failure_is_told_and_not_kept() -> None:
    fresh = Fresh[int](1.0)
    with pytest.raises(ZeroDivisionError):
        fresh.get("a", lambda: 1 // 0)
    assert fresh.get("a", lambda: 2) == 2

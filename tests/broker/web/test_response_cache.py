"""Identical queries within a short time reach the log once."""

import threading

import pytest

from mien.broker.web.response_cache import ResponseCache


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_value_is_cached_for_its_time_and_a_slow_one_for_longer() -> None:
    clock, built = Clock(), list[str]()
    cache = ResponseCache[int](1.0, clock)

    def build(name: str, build_s: float) -> int:
        clock.now_s += build_s
        built.append(name)
        return len(built)

    for wait_s in (0.0, 0.9, 0.2):
        clock.now_s += wait_s
        cache.get("quick", lambda: build("quick", 0.01))
    assert built == ["quick", "quick"]
    for wait_s in (0.0, 7.9, 0.2):
        clock.now_s += wait_s
        cache.get("slow", lambda: build("slow", 2.0))
    assert built[2:] == ["slow", "slow"]
    cache.invalidate()
    cache.get("quick", lambda: build("quick", 0.01))
    cache.get("slow", lambda: build("slow", 2.0))
    assert built[4:] == ["quick"]


def test_concurrent_requests_wait_for_the_value_that_is_being_built() -> None:
    cache, started, finish, built = ResponseCache[int](1.0), threading.Event(), threading.Event(), list[int]()

    def build() -> int:
        started.set()
        finish.wait(10)
        built.append(1)
        return 7

    values = list[int]()
    threads = [threading.Thread(target=lambda: values.append(cache.get("a", build))) for _ in range(20)]
    for thread in threads:
        thread.start()
    started.wait(10)
    finish.set()
    for thread in threads:
        thread.join()
    assert values == [7] * 20
    assert built == [1]


def test_an_error_is_raised_and_not_cached() -> None:
    cache = ResponseCache[int](1.0)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 // 0)
    assert cache.get("a", lambda: 2) == 2

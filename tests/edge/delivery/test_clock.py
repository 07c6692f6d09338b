"""The clock reports whether it is synchronized."""

import pytest

from mien.edge.delivery.clock import Clock


@pytest.mark.parametrize(("is_synchronized", "state"), [(True, "synced"), (False, "unsynced"), (None, "unsynced")])
def test_a_clock_is_synced_as_long_as_it_is_synchronized(is_synchronized: bool | None, state: str) -> None:
    clock = Clock("ntp", is_synchronized=lambda: is_synchronized)
    assert (clock.state, clock.now().state) == (state, state)
    assert clock.now().at.microsecond % 1000 == 0


def test_a_trusted_clock_is_synced_without_asking() -> None:
    def fail() -> bool:
        raise AssertionError

    assert Clock("trusted", is_synchronized=fail).state == "synced"


def test_a_time_is_corrected_once_the_clock_is_synchronized() -> None:
    is_synchronized, wall_s, uptime_s = [False], [0.0], [10.0]
    clock = Clock(
        "ntp",
        is_synchronized=lambda: is_synchronized[0],
        wall_s=lambda: wall_s[0],
        uptime_s=lambda: uptime_s[0],
    )
    before = clock.now()
    assert clock.corrected_time(before.boot_id, before.uptime_ms) is None
    is_synchronized[0], wall_s[0], uptime_s[0] = True, 1_800_000_000.0, 15.0
    corrected = clock.corrected_time(before.boot_id, before.uptime_ms)
    assert corrected is not None
    assert corrected.timestamp() == 1_800_000_000.0 - 5.0

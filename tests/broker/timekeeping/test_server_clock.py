"""The server's clock is believed as long as something else agrees with it."""

import logging

import pytest
from simulated_time import NOW_MS, SimulatedServer

from mien.broker.timekeeping.server_clock import DAY_MS, ServerClock, TimeBelief

BELIEF = TimeBelief(NOW_MS)


def resumed(server: SimulatedServer, belief: TimeBelief | None = BELIEF) -> ServerClock:
    clock = server.clock()
    clock.resume(belief)
    return clock


def record_devices(clock: ServerClock, *days_ahead: float) -> None:
    """An observation of each device, by its clock this far ahead of the right time."""
    for number, days in enumerate(days_ahead):
        clock.record_device_time(f"device-{number}", NOW_MS + round(days * DAY_MS))


def retention_days_ahead(clock: ServerClock) -> float:
    assert clock.retention_ms is not None
    return (clock.retention_ms - NOW_MS) / DAY_MS


@pytest.mark.parametrize("days", [0, 0.9, -0.9])
def test_a_clock_that_agrees_with_the_log_is_believed_without_synchronization(days: float) -> None:
    clock = resumed(SimulatedServer(wall_ms=NOW_MS + round(days * DAY_MS), is_synchronized=None))
    assert clock.judge() == "believed"
    assert retention_days_ahead(clock) == days


@pytest.mark.parametrize("is_synchronized", [True, False, None])
def test_a_clock_a_month_ahead_at_the_start_deletes_nothing(
    is_synchronized: bool | None, caplog: pytest.LogCaptureFixture
) -> None:
    clock = resumed(SimulatedServer(wall_ms=NOW_MS + 31 * DAY_MS, is_synchronized=is_synchronized))
    assert clock.judge() == "doubted"
    assert retention_days_ahead(clock) == 0
    assert "the server's clock is 31 days ahead of the log: old rows are not deleted" in caplog.text


def test_a_clock_a_month_ahead_is_believed_after_a_day_of_synchronization() -> None:
    server = SimulatedServer(wall_ms=NOW_MS + 31 * DAY_MS, is_synchronized=True)
    clock = resumed(server)
    clock.judge()
    server.run_days(0.99)
    assert clock.judge() == "doubted"
    assert retention_days_ahead(clock) == 0.99
    server.run_days(0.01)
    assert clock.judge() == "believed"
    assert retention_days_ahead(clock) == 32


def test_a_clock_a_month_ahead_is_never_believed_if_nothing_confirms_it() -> None:
    server = SimulatedServer(wall_ms=NOW_MS + 31 * DAY_MS)
    clock = resumed(server)
    for _ in range(100):
        server.run_days(1)
        assert clock.judge() == "doubted"
    assert retention_days_ahead(clock) == 100  # the time that has passed for certain


def test_the_day_of_synchronization_continues_after_a_restart() -> None:
    """A server that runs for a few hours a day."""
    server = SimulatedServer(wall_ms=NOW_MS + 31 * DAY_MS, is_synchronized=True)
    states, belief = [], BELIEF
    for _ in range(3):
        clock = resumed(server, belief)
        clock.judge()
        server.run_days(0.4)
        states.append(clock.judge())
        assert clock.belief is not None
        belief = clock.belief
    assert states == ["doubted", "doubted", "believed"]


@pytest.mark.parametrize("step_days", [31, 0.01, -0.01])
def test_a_step_while_it_is_in_doubt_starts_the_day_again(step_days: float) -> None:
    server = SimulatedServer(wall_ms=NOW_MS + 31 * DAY_MS, is_synchronized=True)
    clock = resumed(server)
    server.run_days(0.9)
    clock.judge()
    server.step_days(step_days)
    clock.judge()
    server.run_days(0.9)
    assert clock.judge() == "doubted"
    server.run_days(0.1)
    assert clock.judge() == "believed"


def test_a_step_forward_while_it_runs_deletes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    server = SimulatedServer()
    clock = resumed(server)
    assert clock.judge() == "believed"
    server.step_days(31)
    assert clock.judge() == "doubted"
    assert retention_days_ahead(clock) == 0
    assert "the server's clock was set forward by 31 days" in caplog.text
    server.step_days(-31)
    assert clock.judge() == "believed"
    assert retention_days_ahead(clock) == 0


def test_a_small_step_is_a_correction() -> None:
    server = SimulatedServer()
    clock = resumed(server)
    clock.judge()
    server.step_days(0.04)
    assert clock.judge() == "believed"


def test_a_clock_a_year_behind_the_log_stores_nothing_until_it_is_right(caplog: pytest.LogCaptureFixture) -> None:
    server = SimulatedServer(wall_ms=NOW_MS - 365 * DAY_MS)
    clock = resumed(server)
    assert clock.judge() == "behind"
    assert "the server's clock is 365 days behind the log: nothing is stored" in caplog.text
    server.run_days(1)
    assert clock.judge() == "behind"
    server.step_days(365)
    caplog.set_level(logging.INFO)
    assert clock.judge() == "believed"
    assert "believed again" in caplog.text


def test_a_synchronized_clock_wins_over_a_log_that_was_written_by_a_wrong_one() -> None:
    server = SimulatedServer(is_synchronized=None)
    clock = resumed(server, TimeBelief(NOW_MS + 365 * DAY_MS))
    assert clock.judge() == "behind"
    assert retention_days_ahead(clock) == 0  # not by the log's time, which would delete everything
    server.is_synchronized = True
    assert clock.judge() == "believed"
    server.is_synchronized = None
    assert clock.judge() == "believed"
    assert clock.belief == BELIEF


@pytest.mark.parametrize("days", [-365, 365])
def test_a_trusted_clock_is_always_believed(days: int) -> None:
    clock = ServerClock("trusted", wall_ms=lambda: NOW_MS + days * DAY_MS, monotonic_ms=lambda: 0)
    clock.resume(BELIEF)
    record_devices(clock, 0, 0, 0)
    assert clock.judge() == "believed"
    assert clock.is_confirmed
    assert retention_days_ahead(clock) == days


def test_most_of_three_devices_confirm_a_clock_or_find_it_behind() -> None:
    server = SimulatedServer()
    clock = resumed(server, None)
    record_devices(clock, 0, 0, 365)
    assert clock.judge() == "believed"
    assert clock.is_confirmed
    server.step_days(-365)
    assert clock.judge() == "behind"
    server.step_days(365)
    assert clock.judge() == "believed"


@pytest.mark.parametrize("devices", [[365], [365, 365], [365, 0, 0], [-365, 0, 0], [365, -365, 0, 0]])
def test_one_device_cannot_make_the_clock_wrong(devices: list[float]) -> None:
    """Nor can two, if there are no others to disagree."""
    clock = resumed(SimulatedServer())
    record_devices(clock, *devices)
    assert clock.judge() == "believed"
    assert retention_days_ahead(clock) == 0


def test_devices_that_agree_confirm_a_clock_ahead_of_the_log_after_a_day() -> None:
    server = SimulatedServer(wall_ms=NOW_MS + 31 * DAY_MS)
    clock = resumed(server)
    record_devices(clock, 31, 31, 0)
    clock.judge()
    server.run_days(0.9)
    assert clock.judge() == "doubted"
    server.run_days(0.1)
    assert clock.judge() == "believed"


def test_rows_that_arrive_late_do_not_turn_a_device_back() -> None:
    clock = resumed(SimulatedServer())
    record_devices(clock, 0, 0, 0)
    record_devices(clock, -365, -365, -365)
    assert clock.is_confirmed


def test_a_machine_without_a_battery_and_without_a_log_stores_nothing_until_its_clock_is_set() -> None:
    server = SimulatedServer(wall_ms=0)
    clock = resumed(server, None)
    assert clock.judge() == "behind"
    assert clock.retention_ms is None
    server.wall_ms = NOW_MS
    assert clock.judge() == "believed"

"""Retention deletes in passes, by a time that is handed in, and logs each."""

from dataclasses import dataclass, field

import pytest

from mien.broker.timekeeping.retention_schedule import PAUSE_S, RetentionSchedule
from mien.broker.timekeeping.server_clock import DAY_MS
from mien.errors import DatabaseError

NOW_MS = 1_800_000_000_000


@dataclass
class Deletion:
    table: str
    rows: int
    next_position: int | None


@dataclass
class FakeLog:
    """Each pass has three batches, of which the second fails if it is to."""

    fails: bool = False
    calls: list[tuple[int, int, int | None]] = field(default_factory=list)

    def delete_before(self, before_ms: int, position: int, *, rollup_before_ms: int | None) -> Deletion:
        self.calls.append((before_ms, position, rollup_before_ms))
        if self.fails and position == 1:
            raise DatabaseError("the disk is full: free some space")
        return Deletion("observation", 500, position + 1 if position < 2 else None)


class Schedule:
    """A schedule with a clock that stands still."""

    def __init__(self, log: FakeLog, *, retention_days: int = 30, rollup_retention_days: int | None = None) -> None:
        self.now_s = 0.0
        self.schedule = RetentionSchedule[int](
            retention_days=retention_days,
            rollup_retention_days=rollup_retention_days,
            start=0,
            delete_before=log.delete_before,
            monotonic_s=lambda: self.now_s,
        )

    def run(self, times: int, now_ms: int | None = NOW_MS) -> None:
        for _ in range(times):
            self.schedule.run(now_ms)


def test_a_pass_is_logged_with_its_count_and_followed_by_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    schedule = Schedule(log := FakeLog())
    schedule.run(10)
    assert [position for _, position, _ in log.calls] == [0, 1, 2]
    assert log.calls[0] == (NOW_MS - 30 * DAY_MS, 0, None)
    assert caplog.messages == ["deleted after 30 days: observation 1500"]
    schedule.now_s += PAUSE_S
    schedule.run(10)
    assert len(log.calls) == 6


def test_counts_are_deleted_by_the_same_time(caplog: pytest.LogCaptureFixture) -> None:
    schedule = Schedule(log := FakeLog(), rollup_retention_days=365)
    schedule.run(1)
    assert log.calls == [(NOW_MS - 30 * DAY_MS, 0, NOW_MS - 365 * DAY_MS)]


@pytest.mark.parametrize(("retention_days", "now_ms"), [(0, NOW_MS), (30, None)])
def test_nothing_is_deleted_without_a_period_or_a_time(retention_days: int, now_ms: int | None) -> None:
    schedule = Schedule(log := FakeLog(), retention_days=retention_days)
    schedule.run(3, now_ms)
    assert not log.calls


def test_what_was_deleted_is_logged_also_if_the_pass_fails_or_is_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    log = FakeLog(fails=True)
    schedule = Schedule(log)
    schedule.run(10)
    assert len(log.calls) == 2
    assert caplog.messages == [
        "old observations could not be deleted yet: the disk is full: free some space",
        "deleted after 30 days: observation 500",
    ]
    schedule.now_s += PAUSE_S
    schedule.run(1)
    schedule.schedule.write_log()
    assert caplog.messages[-1] == "deleted after 30 days: observation 500"
    assert len(caplog.messages) == 3

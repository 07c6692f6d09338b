"""Discarded rows are saved about once a minute, and none is forgotten while the log cannot be written."""

from collections import Counter

from mien.broker.intake.discarded_rows import SAVE_INTERVAL_S, DiscardedRows
from mien.errors import DatabaseError


def test_counts_are_saved_at_once_then_once_a_minute_and_at_the_end() -> None:
    saved: list[Counter[str]] = []
    now_s = [1000.0]
    discarded = DiscardedRows(lambda counts: saved.append(counts.copy()), monotonic_s=lambda: now_s[0])
    for count in (3, 4, 5):
        discarded.add("kitchen", count)
        discarded.report()
    assert saved == [{"kitchen": 3}]
    now_s[0] += SAVE_INTERVAL_S
    discarded.report()
    assert saved == [{"kitchen": 3}, {"kitchen": 9}]
    discarded.add("hallway", 1)
    discarded.report(is_last=True)
    discarded.report(is_last=True)
    assert saved[2:] == [{"hallway": 1}]


def test_what_could_not_be_saved_is_saved_later() -> None:
    saved: Counter[str] = Counter()
    is_failing = [True]
    now_s = [1000.0]

    def save(counts: Counter[str]) -> None:
        if is_failing[0]:
            raise DatabaseError("the disk is full: free some space")
        saved.update(counts)

    discarded = DiscardedRows(save, monotonic_s=lambda: now_s[0])
    discarded.add("kitchen", 3)
    discarded.report()
    is_failing[0] = False
    now_s[0] += SAVE_INTERVAL_S
    discarded.report()
    assert saved == {"kitchen": 3}

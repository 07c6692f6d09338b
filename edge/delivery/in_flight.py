"""The rows that have been published and not acknowledged yet, and when each of them is due again."""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

MAX_IN_FLIGHT = 1000
"""Rows: two full batches, so that the next one is under way while the collector commits."""
MAX_BATCH_ATTEMPTS = 2
"""A row that was in this many batches without an answer goes alone: a broker that ends the connection whenever it gets
a message of that size would otherwise never let it pass."""


@dataclass(slots=True)
class _Row:
    due_s: float
    resend_s: float
    """The delay after the next attempt."""
    attempts: int = 0
    is_late: bool = False
    """Whether it was not acknowledged in time, once or more often."""


class InFlight:
    """Rows by `seq`. All times are in seconds of one monotonic clock."""

    def __init__(self, *, first_resend_s: float, max_resend_s: float) -> None:
        """A row is due again after `first_resend_s`, then after twice as long each time, up to `max_resend_s`."""
        self._first_resend_s = first_resend_s
        self._max_resend_s = max_resend_s
        self._rows: dict[int, _Row] = {}
        self._earliest_due_s = math.inf
        """No row is due before; recomputed only when that time has come, and not for each acknowledgement."""
        self._found_s = -math.inf
        """The time of the last search."""

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, seq: object) -> bool:
        return seq in self._rows

    def sequences(self) -> list[int]:
        """The `seq` of each row, ascending."""
        return sorted(self._rows)

    def add(self, sequences: Iterable[int], now_s: float) -> None:
        """Rows that have just been published, again or for the first time, in one message."""
        jitter = random.uniform(0.8, 1.2)
        for seq in sequences:
            row = self._rows.setdefault(seq, _Row(now_s, self._first_resend_s))
            row.due_s = now_s + row.resend_s * jitter
            row.resend_s = min(self._max_resend_s, row.resend_s * 2)
            row.attempts += 1
            self._earliest_due_s = min(self._earliest_due_s, row.due_s)

    def discard(self, sequences: Iterable[int]) -> None:
        """Forget rows: they have been acknowledged or are gone."""
        for seq in sequences:
            self._rows.pop(seq, None)

    def clear(self) -> None:
        self._rows.clear()

    def make_all_due(self) -> None:
        """After a reconnect, or for a collector that has just started: whatever was on its way may be lost."""
        for row in self._rows.values():
            row.due_s, row.resend_s = -math.inf, self._first_resend_s
        self._earliest_due_s = -math.inf

    def next_due_s(self) -> float:
        """When the next row may be due; math.inf if none ever will."""
        if self._earliest_due_s <= self._found_s:
            self._earliest_due_s = min((row.due_s for row in self._rows.values()), default=math.inf)
        return self._earliest_due_s if self._rows else math.inf

    def find_due(self, now_s: float) -> list[int]:
        """The `seq` of the rows that are due, ascending."""
        if now_s < self.next_due_s():
            return []
        self._found_s = now_s
        due = sorted(seq for seq, row in self._rows.items() if row.due_s <= now_s)
        for seq in due:
            self._rows[seq].is_late |= self._rows[seq].due_s > -math.inf
        return due

    def goes_alone(self, seq: int) -> bool:
        """Whether a row must not be in a batch again, lest a batch that cannot be read blocks it."""
        row = self._rows.get(seq)
        return row is not None and (row.is_late or row.attempts >= MAX_BATCH_ATTEMPTS)

    def find_in(self, ranges: Collection[tuple[int, int]]) -> list[int]:
        """The `seq` of the rows within any of the ranges (first and last included), ascending."""
        found: list[int] = []
        sequences: Sequence[int] = self.sequences()
        start = 0
        for first, last in sorted(ranges):
            start = bisect_left(sequences, first, lo=start)
            end = bisect_right(sequences, last, lo=start)
            found += sequences[start:end]
            start = end
        return found

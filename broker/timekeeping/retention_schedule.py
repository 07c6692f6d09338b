"""When old rows and counts are deleted, and by which time."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from mien.errors import DatabaseError

from .server_clock import DAY_MS

PAUSE_S = 3600.0
"""Between two passes over the log."""

Position = TypeVar("Position")
PositionOut = TypeVar("PositionOut", covariant=True)

log = logging.getLogger(__name__)


class Deletion(Protocol[PositionOut]):
    """What one batch has deleted."""

    @property
    def table(self) -> str:
        """The table that rows were deleted from."""

    @property
    def rows(self) -> int:
        """How many."""

    @property
    def next_position(self) -> PositionOut | None:
        """Where the next batch begins; None at the end."""


class DeleteBefore(Protocol[Position]):
    """Deletes one batch, from a position on, of what was received, or counted, before a time (None: no counts)."""

    def __call__(self, before_ms: int, position: Position, *, rollup_before_ms: int | None) -> Deletion[Position]: ...


class RetentionSchedule(Generic[Position]):
    """Deletes in small batches, each between two commits of new rows; after each pass over the log there is a pause."""

    def __init__(
        self,
        *,
        retention_days: int,
        rollup_retention_days: int | None,
        start: Position,
        delete_before: DeleteBefore[Position],
        monotonic_s: Callable[[], float],
    ) -> None:
        """With zero days nothing is deleted."""
        self._retention_days = retention_days
        self._rollup_retention_days = rollup_retention_days
        self._start = self._position = start
        self._delete_before = delete_before
        self._monotonic_s = monotonic_s
        self._next_pass_s = monotonic_s()
        self._deleted: Counter[str] = Counter()

    def run(self, now_ms: int | None) -> None:
        """Delete one batch if a pass is due, by a time that has certainly come (None: not known); log each pass."""
        if not self._retention_days or now_ms is None or self._monotonic_s() < self._next_pass_s:
            return
        rollup_days = self._rollup_retention_days
        try:
            deletion = self._delete_before(
                now_ms - self._retention_days * DAY_MS,
                self._position,
                rollup_before_ms=None if rollup_days is None else now_ms - rollup_days * DAY_MS,
            )
        except DatabaseError as error:
            log.error("old observations could not be deleted yet: %s", error)
            next_position = None
        else:
            self._deleted[deletion.table] += deletion.rows
            next_position = deletion.next_position
        self._position = self._start if next_position is None else next_position
        if next_position is None:
            self._next_pass_s = self._monotonic_s() + PAUSE_S
            self.write_log()

    def write_log(self) -> None:
        """Log what has been deleted since the last time."""
        if counts := ", ".join(f"{table} {rows}" for table, rows in self._deleted.items() if rows):
            log.info("deleted after %d days: %s", self._retention_days, counts)
        self._deleted.clear()

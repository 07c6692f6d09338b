"""Watches the server's clock, and keeps what is believed about the time in the log."""

import logging
from typing import Protocol

from mien.errors import DatabaseError

from .server_clock import ClockState, ServerClock, TimeBelief

SAVE_MS = 600_000
"""Between two updates of the belief in the log."""

log = logging.getLogger(__name__)


class BeliefStore(Protocol):
    """The log, as far as it knows the time."""

    def load_belief(self) -> TimeBelief | None:
        """What is known of the time; None if the log is empty. DatabaseError if it cannot be read."""

    def save_belief(self, belief: TimeBelief) -> None:
        """Keep it. DatabaseError if it was not stored."""


class Timekeeper:
    """The server's clock, compared with the log it writes."""

    def __init__(self, clock: ServerClock, store: BeliefStore) -> None:
        self._clock = clock
        self._store = store
        self._is_resumed = False
        self._saved: tuple[ClockState, int] | None = None

    def check(self) -> ClockState:
        """Judge the clock; call it for each batch. While the log cannot be read, the clock is believed."""
        if not self._is_resumed:
            try:
                self._clock.resume(self._store.load_belief())
            except DatabaseError as error:
                log.error("%s", error)
                return "believed"
            self._is_resumed = True
        state = self._clock.judge()
        now_ms = self._clock.monotonic_ms()
        if self._saved is None or self._saved[0] != state or now_ms - self._saved[1] >= SAVE_MS:
            self.save()
            self._saved = state, now_ms
        return state

    def save(self) -> None:
        """Keep the belief for the next collector; if that fails, at the next time."""
        if not self._is_resumed or self._clock.belief is None:
            return
        try:
            self._store.save_belief(self._clock.belief)
        except DatabaseError as error:
            log.error("%s", error)

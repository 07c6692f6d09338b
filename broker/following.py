"""New observations as they are stored."""

import time
from collections.abc import Iterator
from datetime import tzinfo

from sqlalchemy import Connection, Engine, func, select

from .database import reading
from .listing import Listed, new_rows
from .question import Question
from .schema import observation

AT_A_TIME = 500
POLL_S = 1.0
"""The collector commits at most 250 ms after the last arrival; people see a second as now."""


class Follower:
    """Finds what has been stored since it last looked, and at first since it was made."""

    def __init__(self, engine: Engine, question: Question, *, zone: tzinfo | None) -> None:
        self._engine = engine
        self._question = question
        self._zone = zone
        with reading(engine) as connection:
            self._last = _newest(connection)

    def new(self) -> list[Listed]:
        """At most 500 more observations, in the order in which they were stored. Errors as for `list_page`."""
        with reading(self._engine) as connection:
            newest = _newest(connection)
            if newest < self._last:  # all were deleted, and SQLite counts anew
                self._last = 0
            rows, last = new_rows(connection, self._question, after=self._last, limit=AT_A_TIME, zone=self._zone)
        self._last = last if len(rows) == AT_A_TIME else newest
        return rows

    def each(self, poll_s: float = POLL_S) -> Iterator[list[Listed]]:
        """Wait for new observations, without an end."""
        while True:
            if rows := self.new():
                yield rows
            else:
                time.sleep(poll_s)


def _newest(connection: Connection) -> int:
    return connection.scalar(select(func.max(observation.c.key))) or 0

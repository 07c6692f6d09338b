"""New observations as they are stored."""

import time
from collections.abc import Iterator
from datetime import tzinfo

from sqlalchemy import Engine

from mien.broker.database.columns import ObservationRow
from mien.broker.database.engine import read_transaction
from mien.broker.database.writer_locks import settled_key

from .filters import Filter
from .observations import Observations, list_new_rows

MAX_ROWS = 500
"""In one batch."""
POLL_S = 1.0
"""The collector commits within 250 ms after a message; to people, a second still feels live."""


class Tail:
    """The observations stored since the last read, or since the start: iterate to wait for them, or call `read`."""

    def __init__(self, engine: Engine, log_filter: Filter, *, zone: tzinfo | None, poll_s: float = POLL_S) -> None:
        self._engine = engine
        self._filter = log_filter
        self._zone = zone
        self._poll_s = poll_s
        with read_transaction(engine) as connection:
            self._last_key = settled_key(connection)

    def read(self) -> list[ObservationRow]:
        """At most 500 new observations, in the order they were stored. Errors as for `list_page`."""
        with read_transaction(self._engine) as connection:
            newest_key = max(self._last_key, settled_key(connection))  # the newest rows may have been erased
        with read_transaction(self._engine) as connection:
            rows, last_key = list_new_rows(
                connection, self._filter, after=self._last_key, end=newest_key, limit=MAX_ROWS, zone=self._zone
            )
        self._last_key = last_key if len(rows) == MAX_ROWS else newest_key
        return rows

    def __iter__(self) -> Iterator[Observations]:
        """Wait for new observations and yield them, forever."""
        while True:
            if rows := self.read():
                yield Observations(rows, zone=self._zone)
            else:
                time.sleep(self._poll_s)

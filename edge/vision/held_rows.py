"""Holds back the rows of faces that have not moved yet: nothing is lost of a person who moves a little later."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Row = TypeVar("Row")

MAX_HELD = 30
"""Rows of one track: a person who has not moved for longer is rare, and a poster that changes its light once would give
all of them."""


class HeldRows(Generic[Row]):
    """The rows of the still faces of one capture."""

    def __init__(self, is_still: Callable[[int], bool], on_skip: Callable[[int], None]) -> None:
        """`is_still` tells whether a track's face is still now; `on_skip` is called with a number of rows that will
        never be released."""
        self._is_still = is_still
        self._on_skip = on_skip
        self._held: dict[int, deque[Row]] = {}

    def add(self, track: int, row: Row) -> list[Row]:
        """The rows of the track that are to be reported now, oldest first: none of them while its face is still."""
        held = self._held.setdefault(track, deque())
        held.append(row)
        if self._is_still(track):
            if len(held) > MAX_HELD:
                held.popleft()
                self._on_skip(1)
            return []
        return list(self._held.pop(track))

    def finish(self) -> None:
        """Drop what is left when the capture ends."""
        count = sum(map(len, self._held.values()))
        self._held.clear()
        if count:
            self._on_skip(count)

"""The observations and declared losses that wait to be stored, in one line per device."""

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from mien.messages.batch import decode_batch, is_batch

MAX_WAITING_BYTES = 33_554_432
"""Of all rows that wait; some 27,000 single observations, or many more in batches."""
ROW_BYTES = 500
"""What a waiting message costs beside its payload, generously."""
COMPRESSED_ROW_BYTES = 120
"""Of an observation in a full batch, measured; batches are discarded without being opened."""


class Row(NamedTuple):
    """An encoded observation or declared loss, or a batch that cannot be opened."""

    device: str
    """From the topic."""
    topic: str
    payload: bytes


@dataclass(slots=True)
class Line:
    """What one device has waiting."""

    rows: deque[Row] = field(default_factory=deque)
    size_bytes: int = 0


class FairQueue:
    """Rows in one line per device: each device gets an equal share of what is taken, unless it needs less.

    The memory is limited. When it is full, the device with the longest line loses its newest rows, before anything of
    them is read, so that a device that sends too much only harms itself. It sends the rows again. One thread may put
    while another takes.
    """

    def __init__(self, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}
        """The next to be taken from comes first; none is empty."""
        self._waiting = 0
        self._size_bytes = 0
        self._longest: Line | None = None
        """While the queue is full; None if not known."""
        self._discarded: Counter[str] = Counter()

    def __len__(self) -> int:
        """The number of waiting messages; a batch that is not open yet counts as one."""
        return self._waiting

    def put(self, row: Row) -> None:
        """Add a row or a batch, or discard it if its device has the longest line and there is no room."""
        size_bytes = len(row.payload) + ROW_BYTES
        with self._lock:
            line = self._lines.get(row.device)
            while self._size_bytes + size_bytes > self._max_bytes:
                longest = self._find_longest()
                if longest is None or longest.size_bytes <= size_bytes + (line.size_bytes if line else 0):
                    self._count_discarded(row)
                    return
                self._discard_newest(longest)
            if line is None:
                line = self._lines[row.device] = Line()
            line.rows.append(row)
            self._resize(line, 1, size_bytes)

    def take(self, max_rows: int) -> list[Row]:
        """Up to `max_rows` of the oldest rows, as many of each device if there are enough; batches are opened."""
        rows: list[Row] = []
        while (missing := max_rows - len(rows)) > 0 and self._lines:
            with self._lock:
                devices = list(self._lines)[:missing]
            for device in devices:
                rows += self._take_from(device, missing // len(devices))
        return rows

    def take_discarded(self) -> Counter[str]:
        """How many rows of each device were discarded since the last call; the rows in a batch are estimated."""
        with self._lock:
            discarded, self._discarded = self._discarded, Counter()
        return discarded

    def _take_from(self, device: str, max_rows: int) -> list[Row]:
        taken: list[Row] = []
        while len(taken) < max_rows:
            batch = None
            with self._lock:
                self._longest = None
                line = self._lines.pop(device, None)
                if line is None:
                    break
                size_bytes = 0
                while line.rows and len(taken) < max_rows and batch is None:
                    row = line.rows.popleft()
                    size_bytes += len(row.payload) + ROW_BYTES
                    self._waiting -= 1
                    if is_batch(row.payload):
                        batch = row
                    else:
                        taken.append(row)
                self._resize(line, 0, -size_bytes)
                if line.rows:
                    self._lines[device] = line
            if batch is not None:  # opened outside the lock: putting must not wait for it
                opened = _open_batch(batch)
                missing = max_rows - len(taken)
                taken += opened[:missing]
                self._put_back(opened[missing:])
        return taken

    def _put_back(self, rows: list[Row]) -> None:
        if not rows:
            return
        with self._lock:
            line = self._lines.setdefault(rows[0].device, Line())
            line.rows.extendleft(reversed(rows))
            self._resize(line, len(rows), sum(len(row.payload) + ROW_BYTES for row in rows))

    def _resize(self, line: Line, rows: int, size_bytes: int) -> None:
        self._waiting += rows
        self._size_bytes += size_bytes
        line.size_bytes += size_bytes

    def _find_longest(self) -> Line | None:
        if self._longest is None and self._lines:
            self._longest = max(self._lines.values(), key=lambda line: line.size_bytes)
        return self._longest

    def _discard_newest(self, line: Line) -> None:
        row = line.rows.pop()
        self._longest = None
        self._resize(line, -1, -len(row.payload) - ROW_BYTES)
        if not line.rows:
            del self._lines[row.device]
        self._count_discarded(row)

    def _count_discarded(self, row: Row) -> None:
        self._discarded[row.device] += 1 + len(row.payload) // COMPRESSED_ROW_BYTES if is_batch(row.payload) else 1


def _open_batch(batch: Row) -> list[Row]:
    """The rows of a batch; the batch itself, as one row, if it is invalid."""
    try:
        return [Row(batch.device, batch.topic, message) for message in decode_batch(batch.payload)]
    except msgspec.DecodeError:
        return [batch]

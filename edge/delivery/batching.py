"""Divides rows into messages of the size that the MQTT broker and the collector accept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mien.messages.batch import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, MAX_BATCH_PAYLOAD_BYTES, encode_batch

EXPECTED_RATIO = 0.17
"""Size of the compressed batch by that of its rows: .16 for 200 observations, .22 for ten. Only the first guess."""
MARGIN = 0.95
"""Rather a slightly smaller batch than one that has to be compressed again."""
FRAME_BYTES = 64
"""Of a batch, before compression, beside its rows and the commas between them: 41."""

Row = tuple[int, bytes]
"""`seq` and payload."""


@dataclass(frozen=True, slots=True)
class RowMessage:
    """One message, and the rows in it."""

    sequences: list[int]
    payload: bytes


class BatchPacker:
    """Packs rows into batches that are as large as possible; remembers how well the last ones were compressed."""

    def __init__(self) -> None:
        self._ratio = EXPECTED_RATIO

    def pack(self, rows: Sequence[Row], max_payload_bytes: int) -> Iterator[RowMessage]:
        """The rows in their order, in messages of at most this size; a row that fits into no batch is its own message.

        Every row must be valid JSON.
        """
        max_payload_bytes = min(MAX_BATCH_PAYLOAD_BYTES, max_payload_bytes)
        start = 0
        while start < len(rows):
            message = self._pack_first(rows, start, max_payload_bytes)
            yield message
            start += len(message.sequences)

    def _pack_first(self, rows: Sequence[Row], start: int, max_payload_bytes: int) -> RowMessage:
        count = _count_fitting(rows, start, min(MAX_BATCH_BYTES, round(MARGIN * max_payload_bytes / self._ratio)))
        while count > 1:
            batch = rows[start : start + count]
            payload = encode_batch([row for _, row in batch])
            self._ratio = len(payload) / sum(len(row) for _, row in batch)
            if len(payload) <= max_payload_bytes:
                return RowMessage([seq for seq, _ in batch], payload)
            count = min(count - 1, int(count * MARGIN * max_payload_bytes / len(payload)))
        seq, row = rows[start]
        return RowMessage([seq], row)


def _count_fitting(rows: Sequence[Row], start: int, max_bytes: int) -> int:
    """How many rows fit into a batch of this size before it is compressed."""
    remaining_bytes = max_bytes - FRAME_BYTES
    count = 0
    while count < MAX_BATCH_MESSAGES and start + count < len(rows):
        remaining_bytes -= len(rows[start + count][1]) + 1
        if remaining_bytes < 0:
            break
        count += 1
    return count

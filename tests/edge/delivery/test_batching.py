"""Batches hold as many rows as the limits allow, in order."""

import os
import random

import msgspec
import pytest
from samples import OUTBOX, make_observation

from mien.edge.delivery.batching import BatchPacker, Row, RowMessage
from mien.messages.batch import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, MAX_BATCH_PAYLOAD_BYTES, decode_batch, is_batch
from mien.messages.observation import encode_observation


def make_rows(count: int) -> list[Row]:
    """Observations whose numbers vary as those of a device do."""
    rng = random.Random(7)
    return [
        (
            seq,
            encode_observation(
                make_observation(
                    OUTBOX, seq, box=tuple(round(rng.random(), 4) for _ in range(4)), latency_ms=rng.randint(20, 90)
                )
            ),
        )
        for seq in range(1, count + 1)
    ]


def open_messages(messages: list[RowMessage]) -> list[Row]:
    """The rows in the messages, in order."""
    rows: list[Row] = []
    for message in messages:
        payloads = decode_batch(message.payload) if is_batch(message.payload) else [message.payload]
        rows += zip(message.sequences, payloads, strict=True)
    return rows


@pytest.mark.parametrize("max_payload_bytes", [262_000, 48_000, 9_000, 1_000, 600])
def test_every_message_fits_and_the_rows_stay_in_order(max_payload_bytes: int) -> None:
    rows = make_rows(1200)
    messages = list(BatchPacker().pack(rows, max_payload_bytes))
    assert max(len(message.payload) for message in messages) <= min(max_payload_bytes, MAX_BATCH_PAYLOAD_BYTES)
    assert open_messages(messages) == rows


def test_batches_are_as_large_as_the_limits_allow() -> None:
    rows = make_rows(1200)
    bytes_in_all = sum(len(payload) for _, payload in rows)
    first, *_ = BatchPacker().pack(rows, 262_000)
    assert sum(len(payload) for _, payload in rows[: len(first.sequences) + 1]) > 0.99 * MAX_BATCH_BYTES
    small = list(BatchPacker().pack(rows, 9_000))
    assert sum(len(message.payload) for message in small[:-1]) > 0.8 * 9_000 * (len(small) - 1)
    assert sum(len(message.payload) for message in small) < 0.2 * bytes_in_all
    tiny_rows: list[Row] = [(seq, b"{}") for seq in range(2500)]
    counts = [len(message.sequences) for message in BatchPacker().pack(tiny_rows, 262_000)]
    assert counts == [MAX_BATCH_MESSAGES, MAX_BATCH_MESSAGES, 500]


def test_rows_that_cannot_be_compressed_fit_too() -> None:
    rows: list[Row] = [(seq, msgspec.json.encode({"noise": os.urandom(700).hex()})) for seq in range(1000)]
    messages = list(BatchPacker().pack(rows, 262_000))
    assert max(len(message.payload) for message in messages) <= MAX_BATCH_PAYLOAD_BYTES
    assert open_messages(messages) == rows


def test_a_row_that_is_too_large_for_a_batch_is_its_own_message() -> None:
    large = msgspec.json.encode({"noise": os.urandom(150_000).hex()})
    rows: list[Row] = [(1, b"{}"), (2, large), (3, b"{}"), (4, b"{}")]
    messages = list(BatchPacker().pack(rows, 400_000))
    assert [message.sequences for message in messages] == [[1], [2], [3, 4]]
    assert messages[1].payload == large

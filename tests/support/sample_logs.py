"""Emotion logs with observations in them."""

from pathlib import Path

from samples import make_observation
from uuid6 import uuid7

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.messages.observation import encode_observation

RECEIVED_MS = 1_800_000_000_000


def write_log(path: str | Path, count: int = 3) -> None:
    """Store observations of a new outbox in a log, which is created if it does not exist; then close it."""
    outbox = uuid7()
    engine = open_for_writing(path)
    Store(engine).record(
        [
            decode_message(
                topic="mien/hallway/observation",
                payload=encode_observation(make_observation(outbox, seq, latency_ms=seq, track=1 + seq % 3)),
                received_ms=RECEIVED_MS + seq,
                device="hallway",
            )
            for seq in range(1, count + 1)
        ]
    )
    engine.dispose()

"""Nothing of what was erased is left in SQLite's files."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from samples import make_observation
from uuid6 import uuid7

from mien.broker.admin.erase import ErasureReceipt, erase, plan_erasure
from mien.broker.admin.export_subject import export_subject
from mien.broker.admin.vacuum import vacuum_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.store import Store
from mien.messages.observation import Observation, encode_observation

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MS = round((START + timedelta(days=2)).timestamp() * 1000)
MARKER = b"marker-of-a-payload"


def observations(device: str, count: int) -> list[Observation]:
    outbox = uuid7()
    return [
        make_observation(outbox, seq, device=device, capture=uuid7(), at=START + timedelta(seconds=seq))
        for seq in range(1, count + 1)
    ]


def to_message(observation: Observation, *, emotion: str = "happy", received_ms: int = NOW_MS) -> IncomingMessage:
    fields = msgspec.to_builtins(observation) | {"emotion": emotion}
    payload = encode_observation(observation) if emotion == "happy" else msgspec.json.encode(fields)
    device = observation.device
    topic = f"mien/{device}/observation"
    return decode_message(topic=topic, payload=payload, received_ms=received_ms, device=device)


def files_of(log: Path) -> bytes:
    write_ahead_log = log.with_name(f"{log.name}-wal")
    return log.read_bytes() + (write_ahead_log.read_bytes() if write_ahead_log.exists() else b"")


def erase_device(log: Path, device: str) -> ErasureReceipt:
    writer, reader = open_for_writing(log), open_for_reading(log)
    request = plan_erasure(reader, device, start=None, end=None, now_ms=NOW_MS)
    receipt = erase(writer, reader, request, now_ms=NOW_MS, sleep=lambda _s: None)
    for engine in (writer, reader):
        engine.dispose()
    return receipt


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "mien.db"


def test_no_byte_of_a_payload_is_left_and_after_a_vacuum_none_of_a_row(log: Path) -> None:
    """Rows of two devices share the pages, some were deleted by retention, and a collector keeps the log open."""
    engine = open_for_writing(log)
    store = Store(engine)
    erased, kept = observations("hallway", 3000), observations("kitchen", 3000)
    marked = [to_message(one, emotion=MARKER.decode()) for one in observations("hallway", 300)]
    for first in range(0, 3000, 500):
        span = slice(first, first + 500)
        received_ms = NOW_MS - (1 if first < 1000 else 0)
        mixed = [message for pair in zip(erased[span], kept[span], strict=True) for message in pair]
        store.record([to_message(one, received_ms=received_ms) for one in mixed])
        store.record(marked[first // 10 : first // 10 + 50])
    position = store.delete_before(NOW_MS).next_position
    while position and position.step == 0:
        position = store.delete_before(NOW_MS, position).next_position
    content = files_of(log)
    assert MARKER in content
    assert erased[2999].id.bytes in content
    receipt = erase_device(log, "hallway")
    assert receipt.is_overwritten
    assert (receipt.observations, receipt.counts, receipt.rejected) == (2000, 1000, 300)
    assert MARKER not in files_of(log)
    vacuum_log(engine, lambda _step: None)
    content = files_of(log)
    assert not [one.seq for one in erased if one.id.bytes in content or one.capture.bytes in content]
    assert all(one.id.bytes in content for one in kept[1000:])
    engine.dispose()


def test_it_says_so_if_a_reader_keeps_the_write_ahead_log(log: Path) -> None:
    engine = open_for_writing(log)
    Store(engine).record([to_message(one) for one in observations("hallway", 10)])
    with closing(sqlite3.connect(log, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM observation").fetchone()
        engine.dispose()
        writer, log_reader = open_for_writing(log), open_for_reading(log)
        for connection in (writer, log_reader):
            assert connection.dialect.name == "sqlite"
        with writer.connect() as impatient:
            impatient.exec_driver_sql("PRAGMA busy_timeout = 1")
        request = plan_erasure(log_reader, "hallway", start=None, end=None, now_ms=NOW_MS)
        receipt = erase(writer, log_reader, request, now_ms=NOW_MS, sleep=lambda _s: None)
        assert (receipt.observations, receipt.is_overwritten) == (10, False)
        writer.dispose()
        log_reader.dispose()
    assert erase_device(log, "hallway").is_overwritten


def test_the_export_is_empty_afterwards(log: Path) -> None:
    engine = open_for_writing(log)
    Store(engine).record([to_message(one) for one in observations("hallway", 10)])
    erase_device(log, "hallway")
    kinds = [record["record"] for record in export_subject(open_for_reading(log), "hallway")]
    assert kinds == ["export", "erasure", "end"]

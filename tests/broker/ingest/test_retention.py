"""Old rows are deleted, and the counts remain, on SQLite and PostgreSQL."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from polling import wait_for
from samples import make_health, make_observation
from sqlalchemy import Engine, text
from uuid6 import uuid7

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest import retention, rollup
from mien.broker.ingest.collector import Collector
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.metrics import Metrics
from mien.broker.ingest.retention import START, Position
from mien.broker.ingest.store import Store
from mien.broker.query.aggregate import count_observations
from mien.broker.query.filters import Filter
from mien.broker.settings import CollectorSettings
from mien.broker.timekeeping.server_clock import ServerClock
from mien.messages.health import encode_health
from mien.messages.observation import encode_observation
from mien.mqtt.settings import MqttSettings

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
OUTBOX = uuid7()


def make_messages(days_ago: float, count: int, first: int) -> list[IncomingMessage]:
    """Observations of one device, one per second."""
    received_ms = NOW_MS - round(days_ago * DAY_MS)
    at = datetime.fromtimestamp(received_ms / 1000, UTC)
    observations = [
        make_observation(OUTBOX, first + number, device="hallway", at=at + timedelta(seconds=number))
        for number in range(count)
    ]
    return [
        decode_message(
            topic="mien/hallway/observation",
            payload=encode_observation(observation),
            received_ms=received_ms,
            device="hallway",
        )
        for observation in observations
    ]


@pytest.fixture
def engine(log: str) -> Iterator[Engine]:
    engine = open_for_writing(log)
    yield engine
    engine.dispose()


def remaining(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT seq FROM observation ORDER BY seq")).scalars())


def delete_all_before(store: Store, before_ms: int) -> int:
    """How many batches it took."""
    batches = 0
    position: Position | None = START
    while position:
        position = store.delete_before(before_ms, position).next_position
        batches += position is not None and position.step == START.step
    return batches


def test_old_rows_are_deleted_and_their_counts_remain(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_SIZE", 7)
    store = Store(engine)
    for days_ago, count, first in ((40, 20, 1), (31, 5, 21), (29, 10, 26)):
        store.record(make_messages(days_ago, count, first))
    before = count_observations(engine, Filter(), by=["day", "emotion"], zone=UTC).rows
    assert delete_all_before(store, NOW_MS - 30 * DAY_MS) == 4
    assert remaining(engine) == list(range(26, 36))
    assert not any(check_log(engine).problems.values())
    assert count_observations(engine, Filter(), by=["day", "emotion"], zone=UTC).rows == before
    assert delete_all_before(store, NOW_MS - 30 * DAY_MS) == 0


def test_a_row_that_its_device_may_send_again_is_not_deleted(engine: Engine) -> None:
    store = Store(engine)
    store.record(messages := make_messages(40, 10, 1))
    health = make_health(OUTBOX, first_seq=1, oldest_seq=6, next_seq=11)
    store.save_device_states({("hallway", "health"): DeviceState(encode_health(health), NOW_MS)})
    delete_all_before(store, NOW_MS)
    assert remaining(engine) == [6, 7, 8, 9, 10]
    assert store.record(messages[5:]).duplicates == 5  # sent again by its device
    health = make_health(OUTBOX, first_seq=1, oldest_seq=11, next_seq=11)
    store.save_device_states({("hallway", "health"): DeviceState(encode_health(health), NOW_MS)})
    delete_all_before(store, NOW_MS)
    assert remaining(engine) == []
    assert not any(check_log(engine).problems.values())


def test_a_collector_deletes_while_it_collects(log: str, engine: Engine) -> None:
    """Without an MQTT broker, which is not needed for this."""
    old_ms = time.time_ns() // 1_000_000 - 40 * DAY_MS
    Store(engine).record([replace(message, received_ms=old_ms) for message in make_messages(0, 5, 1)])
    settings = CollectorSettings(database=log, mqtt=MqttSettings(port=1))
    stopping = threading.Event()
    collector = Collector(settings, store=Store(engine), metrics=Metrics(), server_clock=ServerClock("trusted"))
    thread = threading.Thread(target=collector.run, args=[stopping])
    thread.start()
    try:
        wait_for(lambda: not remaining(open_for_reading(log)))
    finally:
        stopping.set()
        thread.join()


def test_counts_are_deleted_once_they_are_old_and_have_no_rows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "BATCH_SIZE", 2)
    store = Store(engine)
    store.record(make_messages(40, 5000, 1))  # five or six quarters of an hour
    late = [replace(message, received_ms=NOW_MS) for message in make_messages(39, 1, 5001)]
    store.record([*late, *make_messages(10, 5, 5002)])
    deleted: Counter[str] = Counter()
    position: Position | None = START
    while position is not None:
        deletion = store.delete_before(NOW_MS - 30 * DAY_MS, position, rollup_before_ms=NOW_MS - 35 * DAY_MS)
        deleted[deletion.table] += deletion.rows
        position = deletion.next_position
        assert not any(check_log(engine).problems.values())
    assert deleted["observation"] == 5000
    assert deleted["rollup"] in (6, 7)
    counts = count_observations(engine, Filter(), by=["day"], zone=UTC).rows
    assert [row.observations for row in counts] == [1, 5]  # the row that arrived late is still counted
    assert store.record(late).duplicates == 1


@pytest.mark.parametrize(("retention_days", "is_valid"), [(30, True), (90, True), (91, False), (0, False)])
def test_counts_are_not_deleted_before_rows(retention_days: int, is_valid: bool) -> None:
    if is_valid:
        CollectorSettings(retention_days=retention_days, rollup_retention_days=90)
    else:
        with pytest.raises(ValueError, match="rollup_retention_days must not be shorter than retention_days"):
            CollectorSettings(retention_days=retention_days, rollup_retention_days=90)

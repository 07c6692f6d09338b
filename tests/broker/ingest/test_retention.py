"""Old rows are deleted, and the counts remain, on SQLite and PostgreSQL."""

import threading
import time
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
from mien.broker.ingest import retention
from mien.broker.ingest.collector import Collector
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.metrics import Metrics
from mien.broker.ingest.store import Store
from mien.broker.query.aggregate import count_observations
from mien.broker.query.filters import Filter
from mien.broker.settings import CollectorSettings
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
    batches = after_key = 0
    while (next_key := store.delete_before(before_ms, after_key)) is not None:
        after_key = next_key
        batches += 1
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
    collector = Collector(settings, store=Store(engine), metrics=Metrics())
    thread = threading.Thread(target=collector.run, args=[stopping])
    thread.start()
    try:
        wait_for(lambda: not remaining(open_for_reading(log)))
    finally:
        stopping.set()
        thread.join()


def test_nothing_is_deleted_without_a_retention_period(log: str, engine: Engine) -> None:
    Store(engine).record(make_messages(4000, 5, 1))
    settings = CollectorSettings(database=log, retention_days=0, mqtt=MqttSettings(port=1))
    collector = Collector(settings, store=Store(engine), metrics=Metrics())
    collector._apply_retention()
    assert len(remaining(engine)) == 5

"""Old rows go, in both stores, and nothing that counts does."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from samples import make_health, make_observation
from sqlalchemy import Engine, text
from uuid6 import uuid7

from mien.broker import retention
from mien.broker.arrival import Arrival, decode_arrival
from mien.broker.checking import check_log
from mien.broker.collector import Collector
from mien.broker.counting import count_observations
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.device_state import State
from mien.broker.metrics import Metrics
from mien.broker.question import Question
from mien.broker.settings import CollectorSettings
from mien.broker.store import Store
from mien.health import encode as encode_health
from mien.mqtt import Mqtt
from mien.observation import encode

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
OUTBOX = uuid7()


def arrivals(days_ago: float, count: int, first: int, outbox: UUID = OUTBOX) -> list[Arrival]:
    """Of one device, in as many seconds."""
    received_ms = NOW_MS - round(days_ago * DAY_MS)
    at = datetime.fromtimestamp(received_ms / 1000, UTC)
    made = []
    for number in range(count):
        seen = make_observation(outbox, first + number, device="hallway", at=at + timedelta(seconds=number))
        topic = "mien/hallway/observation"
        made.append(decode_arrival(topic=topic, payload=encode(seen), received_ms=received_ms, device="hallway"))
    return made


@pytest.fixture
def engine(log: str) -> Iterator[Engine]:
    engine = open_for_writing(log)
    yield engine
    engine.dispose()


def left(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT seq FROM observation ORDER BY seq")).scalars())


def forget_all(store: Store, before_ms: int) -> int:
    """How many batches it took."""
    batches, after = 0, 0
    while (found := store.forget(before_ms, after)) is not None:
        after = found
        batches += 1
    return batches


def test_rows_that_came_before_go_and_their_counts_stay(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 7)
    store = Store(engine)
    for days_ago, count, first in ((40, 20, 1), (31, 5, 21), (29, 10, 26)):
        store.record(arrivals(days_ago, count, first))
    before = count_observations(engine, Question(), by=["day", "emotion"], zone=UTC).rows
    assert forget_all(store, NOW_MS - 30 * DAY_MS) == 4
    assert left(engine) == list(range(26, 36))
    assert not any(check_log(engine).problems.values())
    assert count_observations(engine, Question(), by=["day", "emotion"], zone=UTC).rows == before
    assert forget_all(store, NOW_MS - 30 * DAY_MS) == 0


def test_a_row_that_may_come_again_stays_until_it_cannot(engine: Engine) -> None:
    store = Store(engine)
    store.record(rows := arrivals(40, 10, 1))
    health = make_health(OUTBOX, first_seq=1, oldest_seq=6, next_seq=11)
    store.note({("hallway", "health"): State(encode_health(health), NOW_MS)})
    forget_all(store, NOW_MS)
    assert left(engine) == [6, 7, 8, 9, 10]
    assert store.record(rows[5:]).duplicates == 5  # its device has not heard, and sends them again
    health = make_health(OUTBOX, first_seq=1, oldest_seq=11, next_seq=11)
    store.note({("hallway", "health"): State(encode_health(health), NOW_MS)})
    forget_all(store, NOW_MS)
    assert left(engine) == []
    assert not any(check_log(engine).problems.values())


def test_a_collector_deletes_while_it_collects(log: str, engine: Engine) -> None:
    """Without a broker, which it does not need for this."""
    old_ms = time.time_ns() // 1_000_000 - 40 * DAY_MS
    rows = [Arrival(**{**_fields(one), "received_ms": old_ms}) for one in arrivals(0, 5, 1)]
    Store(engine).record(rows)
    settings = CollectorSettings(database=log, mqtt=Mqtt(port=1))
    stopping = threading.Event()
    collector = Collector(settings, store=Store(engine), metrics=Metrics())
    thread = threading.Thread(target=collector.run, args=[stopping])
    thread.start()
    try:
        _until(lambda: not left(open_for_reading(log)))
    finally:
        stopping.set()
        thread.join()


def test_nothing_is_deleted_where_it_shall_be_kept(log: str, engine: Engine) -> None:
    Store(engine).record(arrivals(4000, 5, 1))
    settings = CollectorSettings(database=log, retention_days=0, mqtt=Mqtt(port=1))
    collector = Collector(settings, store=Store(engine), metrics=Metrics())
    collector._forget()
    assert len(left(engine)) == 5


def _fields(arrival: Arrival) -> dict[str, object]:
    return {name: getattr(arrival, name) for name in arrival.__dataclass_fields__}


def _until(condition: Callable[[], object]) -> None:
    ends_s = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(0.05)

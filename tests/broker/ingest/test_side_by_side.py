"""Several collectors that write into one PostgreSQL database at the same time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from threading import Event
from uuid import UUID, uuid4

import pytest
from polling import wait_for
from postgresql import PostgreSQL, reading_url
from samples import make_health, make_observation
from sqlalchemy import Connection, Engine, text
from uuid6 import uuid7

from mien.broker.admin.captures import delete_unused_captures
from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing, read_transaction, write_transaction
from mien.broker.database.writer_locks import LOCK_COUNT, lock_devices, settled_key, side_by_side
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.store import Store, commit
from mien.broker.query import EmotionLog
from mien.messages.health import encode_health
from mien.messages.observation import Observation, encode_observation

RECEIVED_MS = 1_800_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def url(postgresql_server: PostgreSQL) -> str:
    return postgresql_server.database(uuid4().hex)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_for_writing(url)
    yield engine
    engine.dispose()


def message(observation: Observation, received_ms: int = RECEIVED_MS) -> IncomingMessage:
    topic = f"mien/{observation.device}/observation"
    payload = encode_observation(observation)
    return decode_message(topic=topic, payload=payload, received_ms=received_ms, device=observation.device)


@contextmanager
def transaction(engine: Engine, *devices: str) -> Iterator[Connection]:
    """Another collector's, which has locked devices."""
    with side_by_side(engine).begin() as connection:
        assert set(lock_devices(connection, devices)) == set(devices)
        yield connection


def test_what_another_collector_writes_to_is_deferred_and_the_rest_is_stored(engine: Engine) -> None:
    store, rows = Store(engine), [message(make_observation(device=name)) for name in ("hallway", "cellar")]
    with transaction(engine, "hallway"):
        outcome = store.record(rows, urgent=())
    assert outcome.deferred == rows[:1]
    assert outcome.decisions == {("cellar", rows[1].id): None}
    outcome = store.record(outcome.deferred, urgent=())
    assert (outcome.stored, list(outcome.deferred)) == (1, [])


def test_states_of_a_device_that_is_locked_wait(engine: Engine) -> None:
    store = Store(engine)
    states = {(name, "motion"): DeviceState(b"{}", RECEIVED_MS) for name in ("hallway", "cellar")}
    with transaction(engine, "hallway"):
        assert list(store.save_device_states(states, is_urgent=False)) == [("hallway", "motion")]
    assert store.save_device_states(states, is_urgent=False) == {}


@pytest.mark.parametrize("urgent", [{"hallway"}, None, ()])
def test_a_collector_waits_for_what_is_urgent_or_all_that_it_has(engine: Engine, urgent: set[str] | None) -> None:
    row = message(make_observation(device="hallway"))
    with ThreadPoolExecutor() as pool:
        with transaction(engine, "hallway") as connection:
            recording = pool.submit(Store(engine).record, [row], urgent=urgent)
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objsubid = 2"
            wait_for(lambda: connection.execute(text(waiting)).scalar_one() == 1)
            assert not recording.done()
        assert recording.result(timeout=10).stored == 1


def test_a_thousand_devices_take_no_more_locks_than_there_is_room_for(engine: Engine) -> None:
    names = [f"device-{number}" for number in range(20_000)]
    with transaction(engine, *names) as connection:
        locks = connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"))
        assert locks.scalar_one() == LOCK_COUNT  # each is some device's


def test_an_id_that_two_devices_use_at_once_is_stored_for_one_and_rejected_for_the_other(engine: Engine) -> None:
    observation = make_observation(device="hallway")
    other = message(make_observation(device="cellar", id=observation.id))
    with ThreadPoolExecutor() as pool:
        with transaction(engine, "hallway") as connection:
            commit(connection, [message(observation)])
            recording = pool.submit(Store(engine).record, [other])
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            wait_for(lambda: connection.execute(text(waiting)).scalar_one() == 1)
        assert recording.result(timeout=10).rejected == {"id": 1}


def test_the_tail_misses_no_row_of_a_transaction_that_began_before_another_and_ended_after_it(
    engine: Engine, url: str
) -> None:
    Store(engine).record([message(make_observation(seq=1))])  # the names of model, agent and outbox are known then
    first, second = (make_observation(device=name, seq=2) for name in ("hallway", "cellar"))
    with EmotionLog(reading_url(url), zone="UTC") as log:
        tail = log.tail()
        with transaction(engine, "hallway") as slow:
            commit(slow, [message(first)])
            Store(engine).record([message(second)])
            assert tail.read() == []  # the cellar's row has the larger key
        assert [row.device for row in tail.read()] == ["hallway", "cellar"]
        assert tail.read() == []


def test_the_settled_key_grows_with_the_oldest_transaction(engine: Engine, url: str) -> None:
    reader = open_for_reading(reading_url(url))

    def settled() -> int:
        with read_transaction(reader) as connection:
            return settled_key(connection)

    store = Store(engine)
    store.record([message(make_observation(seq=1))])
    before = settled()
    with transaction(engine, "cellar"):
        store.record([message(make_observation(seq=2))])
        with transaction(engine, "attic"):
            store.record([message(make_observation(seq=3))])
            assert settled() == before
    assert settled() == before + 2


def test_whoever_is_alone_waits_for_all_others_and_they_for_it(engine: Engine) -> None:
    ended = Event()

    def write_alone() -> bool:
        with write_transaction(engine):
            return ended.is_set()

    with ThreadPoolExecutor() as pool:
        with transaction(engine, "hallway") as connection:
            alone = pool.submit(write_alone)
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            wait_for(lambda: connection.execute(text(waiting)).scalar_one() == 1)
            ended.set()
        assert alone.result(timeout=10)


def test_a_capture_that_a_slower_transaction_uses_is_not_deleted(engine: Engine, url: str) -> None:
    store, capture = Store(engine), uuid7()
    store.record([message(make_observation(seq=1, capture=capture))])
    with write_transaction(engine) as connection:
        connection.execute(text("DELETE FROM observation"))
        connection.execute(text("UPDATE rollup SET happy = 0, happy_confidence = 0"))
    reader = open_for_reading(url)
    with ThreadPoolExecutor() as pool:
        with transaction(engine, "cellar") as connection:
            commit(connection, [message(make_observation(device="cellar", capture=capture))])
            store.record([message(make_observation(device="attic"))])  # of a larger key
            deleting = pool.submit(delete_unused_captures, engine, reader)
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            wait_for(lambda: connection.execute(text(waiting)).scalar_one() == 1)
        assert deleting.result(timeout=10) == 0
    assert not any(check_log(reader).problems.values())


def test_collectors_of_the_same_devices_end_without_deadlocks_and_with_exact_counts(engine: Engine, url: str) -> None:
    """Four collectors store, resend, steal ids, save states and delete what is old, all of the same ten devices."""
    names = [f"device-{number}" for number in range(10)]
    outboxes = {name: UUID(int=number, version=4) for number, name in enumerate(names)}
    rows = [
        make_observation(device=name, seq=seq, outbox=outboxes[name], capture=uuid7())
        for seq in range(1, 31)
        for name in names
    ]
    stolen = [make_observation(device=names[0], seq=900 + number, id=row.id) for number, row in enumerate(rows[1::50])]

    def collect(number: int) -> int:
        own_engine = open_for_writing(url)
        store, random, stored = Store(own_engine), Random(number), 0
        for turn in range(8):
            received_ms = RECEIVED_MS + random.choice((0, -DAY_MS))
            batch = [message(row, received_ms) for row in random.sample([*rows, *stolen], 60)]
            while batch:
                outcome = store.record(batch, urgent=())
                stored += outcome.stored
                batch = list(outcome.deferred)
            health = encode_health(make_health(id=outboxes[names[0]], next_seq=31))
            store.save_device_states({(name, "health"): DeviceState(health, RECEIVED_MS) for name in names})
            if turn % 4 == number:
                store.delete_before(RECEIVED_MS)
        own_engine.dispose()
        return stored

    with ThreadPoolExecutor() as pool:
        stored = sum(pool.map(collect, range(4)))
    with engine.connect() as connection:
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert connection.execute(text(query)).scalar_one() == 0
        counted = connection.execute(text("SELECT sum(observations) FROM emotion_counts")).scalar_one()
    assert counted == stored
    assert not any(check_log(open_for_reading(url)).problems.values())

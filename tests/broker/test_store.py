"""What every store promises, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from samples import make_observation
from sqlalchemy import text
from uuid6 import uuid7

from mien.broker.arrival import Arrival, decode_arrival, storable
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.schema import REVISION, metadata
from mien.broker.store import LONGEST_REJECTED, Store
from mien.dropped import Dropped
from mien.dropped import encode as encode_dropped
from mien.emotions import EMOTIONS
from mien.errors import DatabaseError
from mien.observation import Observation, encode

RECEIVED_MS = 1_800_000_000_000


def arrival(payload: bytes, device: str = "hallway") -> Arrival:
    topic = f"mien/{device}/observation"
    return decode_arrival(topic=topic, payload=payload, received_ms=RECEIVED_MS, device=device)


def good(observation: Observation) -> Arrival:
    return arrival(encode(observation))


def bad(observation: Observation) -> Arrival:
    return arrival(msgspec.json.encode(msgspec.to_builtins(observation) | {"emotion": "contempt"}))


@pytest.fixture
def store(log: str) -> Iterator[Store]:
    engine = open_for_writing(log)
    yield Store(engine)
    engine.dispose()


Select = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def select(log: str) -> Select:
    """As somebody else would ask."""

    def run(query: str) -> list[tuple[object, ...]]:
        engine = open_for_reading(log)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    return run


def test_an_observation_is_stored_once_however_often_it_comes(store: Store, select: Select) -> None:
    observation = make_observation()
    for _ in range(2):
        assert store.record([good(observation), good(observation)]).answers == {observation.id: None}
    assert select("SELECT count(*) FROM observation") == [(1,)]


def test_the_view_says_what_the_device_said(store: Store, log: str) -> None:
    observation = make_observation(seq=7)
    store.record([good(observation)])
    with open_for_reading(log).connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM emotion_log")).mappings()
    said = msgspec.to_builtins(observation)
    assert row["at"] == "2026-11-22T14:30:00.123Z"
    for name in ("device", "emotion", "confidence", "track", "frames", "latency_ms", "clock", "model", "agent", "seq"):
        assert row[name] == said[name], name
    for name in ("id", "capture", "outbox"):
        assert row[name] == said[name], name
    assert {name: row[name] for name in EMOTIONS} == said["scores"]
    assert [row[f"box_{side}"] for side in ("left", "top", "width", "height")] == list(said["box"])


def test_a_bad_body_is_kept_once_with_its_reason(store: Store, select: Select) -> None:
    observation = make_observation()
    for _ in range(2):
        (reason,) = store.record([bad(observation)]).answers.values()
        assert reason == "Invalid enum value 'contempt' - at `$.emotion`"
    assert select("SELECT reason FROM rejected") == [(reason,)]
    assert select("SELECT count(*) FROM observation") == [(0,)]


@pytest.mark.parametrize(
    "payload",
    [b"", b"hello", b"\xff\xfe", b"[1,2]", b'{"id": 3}', b"[" * 100_000, b'{"agent":"\xff"}', b'{"schema": 1}'],
)
def test_what_cannot_be_decoded_is_kept_once(store: Store, select: Select, payload: bytes) -> None:
    for _ in range(2):
        assert store.record([arrival(payload), arrival(payload)]).answers == {}
    assert select("SELECT payload, topic FROM rejected") == [(payload[:LONGEST_REJECTED], "mien/hallway/observation")]


def test_a_device_cannot_speak_for_another(store: Store, select: Select) -> None:
    observation = make_observation(device="cellar")
    (reason,) = store.record([arrival(encode(observation), device="hallway")]).answers.values()
    assert reason == "device cellar on the topic of hallway"
    assert select("SELECT (SELECT count(*) FROM observation), reason FROM rejected") == [(0, reason)]


def test_a_synced_clock_that_is_days_ahead_is_rejected_and_an_unsynced_one_is_not(store: Store) -> None:
    ahead = datetime.fromtimestamp(RECEIVED_MS / 1000 + 25 * 3600, UTC)
    synced, unsynced = make_observation(at=ahead), make_observation(at=ahead, clock="unsynced")
    answers = store.record([good(synced), good(unsynced)]).answers
    assert answers == {synced.id: "at is 25 hours ahead though the clock is synced", unsynced.id: None}


def test_the_first_commit_decides_whether_an_id_is_stored_or_rejected(store: Store, select: Select) -> None:
    first_good, first_bad = make_observation(), make_observation()
    store.record([good(first_good), bad(first_bad)])
    answers = store.record([bad(first_good), good(first_bad)]).answers
    assert answers[first_good.id] is None
    assert answers[first_bad.id] is not None
    assert select("SELECT (SELECT count(*) FROM observation), (SELECT count(*) FROM rejected)") == [(1, 1)]


def test_one_batch_may_hold_everything(store: Store, select: Select) -> None:
    observations = [make_observation(seq=number, device=f"d{number % 3}") for number in range(1, 501)]
    arrivals = [arrival(encode(one), device=one.device) for one in observations]
    arrivals += [arrival(b"noise"), bad(make_observation())]
    answers = store.record(arrivals).answers
    assert sum(reason is None for reason in answers.values()) == 500
    assert select("SELECT device, count(*) FROM emotion_log GROUP BY device ORDER BY device") == [
        ("d0", 166),
        ("d1", 167),
        ("d2", 167),
    ]
    assert select("SELECT count(*) FROM rejected") == [(2,)]


def test_nothing_of_a_batch_is_stored_when_its_transaction_fails(store: Store, log: str, select: Select) -> None:
    engine = open_for_writing(log)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE rejected"))
    with pytest.raises(DatabaseError, match="rejected"):
        store.record([good(make_observation()), arrival(b"noise")])
    engine.dispose()
    assert select("SELECT count(*) FROM observation") == [(0,)]


def test_what_the_database_does_not_take_holds_up_nothing_else(store: Store, select: Select) -> None:
    fine, poison = make_observation(seq=1), make_observation(seq=2)
    spoilt = msgspec.structs.replace(good(poison).body, latency_ms=2**70)  # type: ignore[type-var]
    outcome = store.record([good(fine), replace(good(poison), body=spoilt)])
    assert (outcome.stored, outcome.rejected) == (1, {"database": 1})
    assert outcome.answers[fine.id] is None
    assert "the database does not take it" in str(outcome.answers[poison.id])
    assert select("SELECT count(*) FROM observation") == [(1,)]


def test_a_reason_may_quote_what_no_database_takes() -> None:
    assert storable("smug\x00 \ud800\x1b[31m" + 1000 * "!") == "smug? ??[31m" + 488 * "!"


def test_a_number_that_no_device_counts_to_stops_nothing(store: Store, select: Select) -> None:
    fields = msgspec.to_builtins(make_observation()) | {"seq": 2**63 - 1}
    outcome = store.record([arrival(msgspec.json.encode(fields)), good(make_observation(seq=2**53))])
    assert (outcome.stored, outcome.rejected) == (1, {"envelope": 1})
    assert select("SELECT first, last FROM answered") == [(2**53, 2**53)]


def test_of_a_rejected_message_a_long_payload_is_cut(store: Store, select: Select) -> None:
    for _ in range(2):
        store.record([arrival(b"x" * 1_000_000)])
    assert [len(payload) for (payload,) in select("SELECT payload FROM rejected")] == [LONGEST_REJECTED]  # type: ignore[arg-type]


def loss(outbox: UUID, seq: int, first: int, last: int) -> Arrival:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    body = Dropped(
        id=uuid7(), device="hallway", outbox=outbox, seq=seq, first=first, last=last, cause="full", at=moment
    )
    return arrival(encode_dropped(body))


def test_a_declared_loss_is_kept_once_and_answered_like_an_observation(store: Store, select: Select) -> None:
    declared = loss(uuid4(), seq=9, first=1, last=8)
    for _ in range(2):
        assert store.record([declared]).answers == {declared.id: None}
    assert select("SELECT seq, first, last, cause FROM dropped") == [(9, 1, 8, "full")]
    assert select("SELECT settled, first, last FROM answered ORDER BY settled") == [(0, 1, 8), (1, 9, 9)]


def test_what_was_answered_is_kept_as_runs_that_neither_overlap_nor_touch(store: Store, select: Select) -> None:
    outbox = uuid4()
    for numbers in ([1, 2, 3, 7], [5], [2, 8], [4, 12], [6]):
        store.record([good(make_observation(outbox, seq)) for seq in numbers])
    assert select("SELECT settled, first, last FROM answered ORDER BY first") == [(1, 1, 8), (1, 12, 12)]
    store.record([bad(make_observation(outbox, 10))])
    assert select("SELECT first, last FROM answered ORDER BY first") == [(1, 8), (10, 10), (12, 12)]


def test_the_rollup_counts_each_observation_once_whenever_it_comes(store: Store, select: Select) -> None:
    day = datetime(2026, 11, 22, tzinfo=UTC)
    random = Random(7)
    observations = [
        make_observation(
            at=day + timedelta(minutes=random.randrange(-3000, 600)), device=random.choice(["hallway", "cellar"])
        )
        for _ in range(300)
    ]
    while select("SELECT count(*) FROM observation") != [(300,)]:
        some = random.sample(observations, 60)  # out of order, again and again
        store.record([arrival(encode(one), device=one.device) for one in some])
    counted = "SELECT device, at_ms / 900000, {emotion!r}, count(*), sum(confidence) FROM observation"
    kept = "SELECT device, quarter, {emotion!r}, {emotion}, {emotion}_confidence FROM rollup"
    for number, emotion in enumerate(EMOTIONS):
        recount = f"{counted} WHERE emotion = {number} GROUP BY device, at_ms / 900000 ORDER BY 1, 2"
        rolled_up = select(f"{kept} WHERE {emotion} > 0 ORDER BY 1, 2".format(emotion=emotion))
        assert rolled_up == select(recount.format(emotion=emotion))
    assert select("SELECT sum(observations) FROM emotion_counts") == [(300,)]


def test_two_writers_store_each_id_once(store: Store, log: str, select: Select) -> None:
    observations = [make_observation(seq=number) for number in range(1, 401)]
    other = open_for_writing(log)

    def write(writer: Store, seed: int) -> int:
        random, stored = Random(seed), 0
        for _ in range(20):
            some = random.sample(observations, 100)
            stored += writer.record([good(one) for one in some]).stored
        return stored

    with ThreadPoolExecutor() as pool:
        counts = list(pool.map(write, [store, Store(other)], [1, 2]))
    other.dispose()
    assert min(counts) > 0
    assert (
        [(sum(counts),)]
        == select("SELECT count(*) FROM observation")
        == select("SELECT sum(observations) FROM emotion_counts")
    )


def test_the_steps_make_the_tables_that_the_release_uses(store: Store) -> None:
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == REVISION

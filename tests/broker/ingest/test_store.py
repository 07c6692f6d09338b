"""The guarantees of the store, on SQLite and PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import msgspec
import pytest
from samples import make_observation
from sqlalchemy import text
from uuid6 import uuid7

from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import IncomingMessage, decode_message, to_printable
from mien.broker.ingest.store import MAX_REJECTED_BYTES, Store
from mien.emotions import EMOTIONS
from mien.errors import DatabaseError
from mien.messages.dropped import Dropped, encode_dropped
from mien.messages.observation import Observation, encode_observation

RECEIVED_MS = 1_800_000_000_000


def to_message(payload: bytes, device: str = "hallway") -> IncomingMessage:
    topic = f"mien/{device}/observation"
    return decode_message(topic=topic, payload=payload, received_ms=RECEIVED_MS, device=device)


def valid(observation: Observation) -> IncomingMessage:
    return to_message(encode_observation(observation))


def invalid(observation: Observation) -> IncomingMessage:
    return to_message(msgspec.json.encode(msgspec.to_builtins(observation) | {"emotion": "contempt"}))


@pytest.fixture
def store(log: str) -> Iterator[Store]:
    engine = open_for_writing(log)
    yield Store(engine)
    engine.dispose()


Select = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def select(log: str) -> Select:
    """Run a query as a separate reader."""

    def run(query: str) -> list[tuple[object, ...]]:
        engine = open_for_reading(log)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    return run


def test_an_observation_is_stored_once_however_often_it_arrives(store: Store, select: Select) -> None:
    observation = make_observation()
    for _ in range(2):
        assert store.record([valid(observation), valid(observation)]).decisions == {observation.id: None}
    assert select("SELECT count(*) FROM observation") == [(1,)]


def test_the_view_shows_what_the_device_sent(store: Store, log: str) -> None:
    observation = make_observation(seq=7)
    store.record([valid(observation)])
    with open_for_reading(log).connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM emotion_log")).mappings()
    sent = msgspec.to_builtins(observation)
    assert row["at"] == "2026-11-22T14:30:00.123Z"
    for name in ("device", "emotion", "confidence", "track", "frames", "latency_ms", "clock", "model", "agent", "seq"):
        assert row[name] == sent[name], name
    for name in ("id", "capture", "outbox"):
        assert row[name] == sent[name], name
    assert {name: row[name] for name in EMOTIONS} == sent["scores"]
    assert [row[f"box_{side}"] for side in ("left", "top", "width", "height")] == list(sent["box"])


def test_an_invalid_body_is_stored_once_with_its_reason(store: Store, select: Select) -> None:
    observation = make_observation()
    for _ in range(2):
        (reason,) = store.record([invalid(observation)]).decisions.values()
        assert reason == "Invalid enum value 'contempt' - at `$.emotion`"
    assert select("SELECT reason FROM rejected") == [(reason,)]
    assert select("SELECT count(*) FROM observation") == [(0,)]


@pytest.mark.parametrize(
    "payload",
    [b"", b"hello", b"\xff\xfe", b"[1,2]", b'{"id": 3}', b"[" * 100_000, b'{"agent":"\xff"}', b'{"schema": 1}'],
)
def test_a_message_that_cannot_be_decoded_is_stored_once(store: Store, select: Select, payload: bytes) -> None:
    for _ in range(2):
        assert store.record([to_message(payload), to_message(payload)]).decisions == {}
    assert select("SELECT payload, topic FROM rejected") == [(payload[:MAX_REJECTED_BYTES], "mien/hallway/observation")]


def test_a_device_cannot_use_the_name_of_another(store: Store, select: Select) -> None:
    observation = make_observation(device="cellar")
    (reason,) = store.record([to_message(encode_observation(observation), device="hallway")]).decisions.values()
    assert reason == "device cellar on the topic of hallway"
    assert select("SELECT (SELECT count(*) FROM observation), reason FROM rejected") == [(0, reason)]


def test_a_synced_clock_that_is_days_ahead_is_rejected_and_an_unsynced_one_is_not(store: Store) -> None:
    ahead = datetime.fromtimestamp(RECEIVED_MS / 1000 + 25 * 3600, UTC)
    synced, unsynced = make_observation(at=ahead), make_observation(at=ahead, clock="unsynced")
    decisions = store.record([valid(synced), valid(unsynced)]).decisions
    assert decisions == {synced.id: "at is 25 hours ahead though the clock is synced", unsynced.id: None}


def test_the_first_commit_decides_whether_an_id_is_stored_or_rejected(store: Store, select: Select) -> None:
    first_valid, first_invalid = make_observation(), make_observation()
    store.record([valid(first_valid), invalid(first_invalid)])
    decisions = store.record([invalid(first_valid), valid(first_invalid)]).decisions
    assert decisions[first_valid.id] is None
    assert decisions[first_invalid.id] is not None
    assert select("SELECT (SELECT count(*) FROM observation), (SELECT count(*) FROM rejected)") == [(1, 1)]


def test_a_batch_may_contain_all_kinds_of_messages(store: Store, select: Select) -> None:
    observations = [make_observation(seq=number, device=f"d{number % 3}") for number in range(1, 501)]
    messages = [to_message(encode_observation(observation), device=observation.device) for observation in observations]
    messages += [to_message(b"noise"), invalid(make_observation())]
    decisions = store.record(messages).decisions
    assert sum(reason is None for reason in decisions.values()) == 500
    assert select("SELECT device, count(*) FROM emotion_log GROUP BY device ORDER BY device") == [
        ("d0", 166),
        ("d1", 167),
        ("d2", 167),
    ]
    assert select("SELECT count(*) FROM rejected") == [(2,)]


def test_a_failed_transaction_stores_nothing_of_its_batch(store: Store, log: str, select: Select) -> None:
    engine = open_for_writing(log)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE rejected"))
    with pytest.raises(DatabaseError, match="rejected"):
        store.record([valid(make_observation()), to_message(b"noise")])
    engine.dispose()
    assert select("SELECT count(*) FROM observation") == [(0,)]


def test_a_message_that_the_database_does_not_accept_blocks_no_other(store: Store, select: Select) -> None:
    acceptable, unacceptable = make_observation(seq=1), make_observation(seq=2)
    body = msgspec.structs.replace(unacceptable, latency_ms=2**70)
    outcome = store.record([valid(acceptable), replace(valid(unacceptable), body=body)])
    assert (outcome.stored, outcome.rejected) == (1, {"database": 1})
    assert outcome.decisions[acceptable.id] is None
    assert "the database does not accept it" in str(outcome.decisions[unacceptable.id])
    assert select("SELECT count(*) FROM observation") == [(1,)]


def test_a_reason_may_quote_characters_that_no_database_accepts() -> None:
    assert to_printable("smug\x00 \ud800\x1b[31m" + 1000 * "!") == "smug? ??[31m" + 488 * "!"


def test_a_sequence_number_that_is_too_large_blocks_nothing(store: Store, select: Select) -> None:
    fields = msgspec.to_builtins(make_observation()) | {"seq": 2**63 - 1}
    outcome = store.record([to_message(msgspec.json.encode(fields)), valid(make_observation(seq=2**53))])
    assert (outcome.stored, outcome.rejected) == (1, {"envelope": 1})
    assert select("SELECT first, last FROM acked_range") == [(2**53, 2**53)]


def test_the_payload_of_a_rejected_message_is_truncated(store: Store, select: Select) -> None:
    for _ in range(2):
        store.record([to_message(b"x" * 1_000_000)])
    assert [len(payload) for (payload,) in select("SELECT payload FROM rejected")] == [MAX_REJECTED_BYTES]  # type: ignore[arg-type]


def declared_loss(outbox: UUID, seq: int, first: int, last: int) -> IncomingMessage:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    body = Dropped(
        id=uuid7(), device="hallway", outbox=outbox, seq=seq, first=first, last=last, cause="full", at=moment
    )
    return to_message(encode_dropped(body))


def test_a_declared_loss_is_stored_once_and_acknowledged(store: Store, select: Select) -> None:
    declared = declared_loss(uuid4(), seq=9, first=1, last=8)
    for _ in range(2):
        assert store.record([declared]).decisions == {declared.id: None}
    assert select("SELECT seq, first, last, cause FROM dropped") == [(9, 1, 8, "full")]
    assert select("SELECT received, first, last FROM acked_range ORDER BY received") == [(0, 1, 8), (1, 9, 9)]


def test_acknowledged_ranges_neither_overlap_nor_touch(store: Store, select: Select) -> None:
    outbox = uuid4()
    for numbers in ([1, 2, 3, 7], [5], [2, 8], [4, 12], [6]):
        store.record([valid(make_observation(outbox, seq)) for seq in numbers])
    assert select("SELECT received, first, last FROM acked_range ORDER BY first") == [(1, 1, 8), (1, 12, 12)]
    store.record([invalid(make_observation(outbox, 10))])
    assert select("SELECT first, last FROM acked_range ORDER BY first") == [(1, 8), (10, 10), (12, 12)]


def test_the_rollup_counts_each_observation_once(store: Store, select: Select) -> None:
    day = datetime(2026, 11, 22, tzinfo=UTC)
    random = Random(7)
    observations = [
        make_observation(
            at=day + timedelta(minutes=random.randrange(-3000, 600)), device=random.choice(["hallway", "cellar"])
        )
        for _ in range(300)
    ]
    while select("SELECT count(*) FROM observation") != [(300,)]:
        sample = random.sample(observations, 60)  # out of order, with duplicates
        store.record([to_message(encode_observation(observation), device=observation.device) for observation in sample])
    counted = "SELECT device, at_ms / 900000, {emotion!r}, count(*), sum(confidence) FROM observation"
    stored = "SELECT device, quarter_hour, {emotion!r}, {emotion}, {emotion}_confidence FROM rollup"
    for code, emotion in enumerate(EMOTIONS):
        recount = f"{counted} WHERE emotion = {code} GROUP BY device, at_ms / 900000 ORDER BY 1, 2"
        rolled_up = select(f"{stored} WHERE {emotion} > 0 ORDER BY 1, 2".format(emotion=emotion))
        assert rolled_up == select(recount.format(emotion=emotion))
    assert select("SELECT sum(observations) FROM emotion_counts") == [(300,)]


def test_two_writers_store_each_id_once(store: Store, log: str, select: Select) -> None:
    observations = [make_observation(seq=number) for number in range(1, 401)]
    other = open_for_writing(log)

    def write(writer: Store, seed: int) -> int:
        random, stored = Random(seed), 0
        for _ in range(20):
            sample = random.sample(observations, 100)
            stored += writer.record([valid(observation) for observation in sample]).stored
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

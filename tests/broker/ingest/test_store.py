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

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.database.location import DatabaseLocation
from mien.broker.ingest.decisions import MAX_PAYLOAD_BYTES, MAX_PAYLOADS
from mien.broker.ingest.message import IncomingMessage, decode_message, to_printable
from mien.broker.ingest.store import Store
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
        assert store.record([valid(observation), valid(observation)]).decisions == {("hallway", observation.id): None}
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
    [b"", b"hello", b"\xff\xfe", b"[1,2]", b'{"id": 3}', b"[" * 4000, b'{"agent":"\xff"}', b'{"schema": 1}'],
)
def test_a_message_that_cannot_be_decoded_is_stored_once(store: Store, select: Select, payload: bytes) -> None:
    for _ in range(2):
        assert store.record([to_message(payload), to_message(payload)]).decisions == {}
    assert select("SELECT payload, topic FROM rejected") == [(payload, "mien/hallway/observation")]


def test_a_device_cannot_use_the_name_of_another(store: Store, select: Select) -> None:
    observation = make_observation(device="cellar")
    (reason,) = store.record([to_message(encode_observation(observation), device="hallway")]).decisions.values()
    assert reason == "device cellar on the topic of hallway"
    assert select("SELECT (SELECT count(*) FROM observation), reason FROM rejected") == [(0, reason)]


@pytest.mark.parametrize("clock", ["synced", "unsynced"])
def test_a_time_that_is_days_ahead_is_rejected_whatever_the_clock_says(store: Store, clock: str) -> None:
    now_s = RECEIVED_MS / 1000
    ahead, today = (
        make_observation(at=datetime.fromtimestamp(now_s + hours * 3600, UTC), clock=clock) for hours in (25, 23)
    )
    assert store.record([valid(ahead), valid(today)]).decisions == {
        ("hallway", ahead.id): "at is 25 hours ahead of the collector's clock",
        ("hallway", today.id): None,
    }


def test_the_first_commit_decides_whether_an_id_is_stored_or_rejected(store: Store, select: Select) -> None:
    first_valid, first_invalid = make_observation(), make_observation()
    store.record([valid(first_valid), invalid(first_invalid)])
    decisions = store.record([invalid(first_valid), valid(first_invalid)]).decisions
    assert decisions["hallway", first_valid.id] is None
    assert decisions["hallway", first_invalid.id] is not None
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
    assert outcome.decisions["hallway", acceptable.id] is None
    assert "the database does not accept it" in str(outcome.decisions["hallway", unacceptable.id])
    assert select("SELECT count(*) FROM observation") == [(1,)]


def test_a_reason_may_quote_characters_that_no_database_accepts() -> None:
    assert to_printable("smug\x00 \ud800\x1b[31m" + 1000 * "!") == "smug? ??[31m" + 188 * "!"


def test_a_sequence_number_that_is_too_large_blocks_nothing(store: Store, select: Select) -> None:
    fields = msgspec.to_builtins(make_observation()) | {"seq": 2**63 - 1}
    outcome = store.record([to_message(msgspec.json.encode(fields)), valid(make_observation(seq=2**53))])
    assert (outcome.stored, outcome.rejected) == (1, {"envelope": 1})
    assert select("SELECT first, last FROM acked_range") == [(2**53, 2**53)]


def test_only_whole_payloads_of_up_to_4_kib_are_kept(store: Store, select: Select) -> None:
    for _ in range(2):
        outcome = store.record(
            [to_message(b"x" * size) for size in (MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES + 1, 100_000)]
        )
    assert outcome.duplicates == 3
    payloads = [payload for (payload,) in select("SELECT payload FROM rejected ORDER BY key")]
    assert payloads == [b"x" * MAX_PAYLOAD_BYTES, None, None]


def test_at_most_a_thousand_payloads_of_a_device_are_kept(store: Store, select: Select) -> None:
    flood = [to_message(b"%d" % number, device="flooder") for number in range(2 * MAX_PAYLOADS)]
    for begin in range(0, len(flood), 700):
        store.record(
            [*flood[begin : begin + 700], to_message(b"%d" % begin), to_message(b"%d" % begin, device="Not a name")]
        )
    with_payload = "SELECT count(*) FROM rejected LEFT JOIN device ON device.key = device WHERE payload IS NOT NULL"
    assert select(f"{with_payload} AND name = 'flooder'") == [(MAX_PAYLOADS,)]
    assert select(f"{with_payload} AND name = 'hallway'") == [(3,)]
    assert select(f"{with_payload} AND name IS NULL") == [(3,)]
    assert select("SELECT count(*), count(DISTINCT reason) FROM rejected") == [(2 * MAX_PAYLOADS + 6, 1)]
    assert store.record(flood[-1000:]).duplicates == 1000


def test_a_flood_of_large_messages_hardly_fills_the_log(store: Store, log: str, select: Select) -> None:
    for begin in range(0, 3000, 500):
        flood = [to_message(b"%d" % number * 15_000) for number in range(begin + 10_000, begin + 10_500)]
        assert store.record(flood).rejected == {"envelope": 500}
    path = DatabaseLocation.parse(log).path
    size_bytes = path.stat().st_size if path else select("SELECT pg_total_relation_size('rejected')")[0][0]
    assert int(str(size_bytes)) < 3_000_000  # of 225 MB


def test_another_devices_id_is_rejected_for_the_device_that_sent_it_second(store: Store, select: Select) -> None:
    first = make_observation(seq=1)
    second = msgspec.structs.replace(first, device="cellar")
    sent_second = to_message(encode_observation(second), device="cellar")
    for _ in range(2):  # apart, in one batch, and again
        store.record([valid(first)])
        for batch in ([sent_second], [valid(first), sent_second]):
            assert store.record(batch).decisions["cellar", first.id] == "its id is known from another device"
    assert store.record([valid(first)]).decisions == {("hallway", first.id): None}
    assert select("SELECT count(*) FROM observation") == [(1,)]
    assert select("SELECT device.name, seq FROM rejected JOIN device ON device.key = rejected.device") == [
        ("cellar", 1)
    ]
    assert select("SELECT device.name FROM acked_range JOIN device ON device.key = acked_range.device ORDER BY 1") == [
        ("cellar",),
        ("hallway",),
    ]


def test_of_two_devices_with_the_same_id_in_one_batch_the_first_gets_it(store: Store) -> None:
    observation = make_observation(device="cellar")
    other = msgspec.structs.replace(observation, device="attic")
    batch = [to_message(encode_observation(one), device=one.device) for one in (observation, other)]
    for _ in range(2):
        outcome = store.record(batch)
        assert outcome.decisions["cellar", observation.id] is None
        assert outcome.decisions["attic", observation.id] == "its id is known from another device"
    assert outcome.duplicates == 2


def test_no_device_can_make_the_log_reject_the_id_of_another(store: Store) -> None:
    observation = make_observation(device="cellar")
    body = msgspec.json.encode(msgspec.to_builtins(observation) | {"device": "attic", "emotion": "contempt"})
    store.record([to_message(body, device="attic"), to_message(encode_observation(observation), device="attic")])
    store.record([to_message(observation.id.bytes, device="cellar")])  # sixteen bytes without an envelope
    message = to_message(encode_observation(observation), device="cellar")
    assert store.record([message]).decisions == {("cellar", observation.id): None}


def test_bytes_that_equal_an_id_do_not_stand_for_it(store: Store, select: Select) -> None:
    observation = make_observation()
    store.record([to_message(observation.id.bytes)])
    assert store.record([invalid(observation)]).rejected == {"body": 1}
    assert select("SELECT count(*) FROM rejected") == [(2,)]


def test_a_message_under_another_devices_name_enters_no_number_and_no_name(store: Store, select: Select) -> None:
    outbox = uuid4()
    forged = make_observation(outbox, 2**53, device="cellar")
    message = to_message(encode_observation(forged), device="hallway")
    assert store.record([message]).decisions == {("hallway", forged.id): "device cellar on the topic of hallway"}
    assert select("SELECT outbox FROM acked_range UNION SELECT key FROM outbox") == []
    assert select("SELECT name FROM device") == [("hallway",)]
    assert select("SELECT outbox, seq FROM rejected") == [(None, None)]
    genuine = to_message(encode_observation(msgspec.structs.replace(forged, seq=1)), device="cellar")
    assert store.record([genuine]).decisions == {("cellar", forged.id): None}
    assert select("SELECT first, last FROM acked_range") == [(1, 1)]


def test_a_forged_number_does_not_enter_even_beside_genuine_ones(store: Store, select: Select) -> None:
    outbox = uuid4()
    forged = to_message(encode_observation(make_observation(outbox, 9, device="cellar")), device="hallway")
    for _ in range(2):
        store.record([valid(make_observation(outbox, 1)), forged])
    assert select("SELECT first, last FROM acked_range") == [(1, 1)]


def test_two_devices_may_number_the_same_outbox_each_for_itself(store: Store, select: Select) -> None:
    outbox = uuid4()
    for device, seq in (("hallway", 1), ("hallway", 2), ("cellar", 3), ("cellar", 9)):
        store.record([to_message(encode_observation(make_observation(outbox, seq, device=device)), device=device)])
    query = "SELECT name, first, last FROM acked_range JOIN device ON device.key = device ORDER BY name, first"
    assert select(query) == [("cellar", 3, 3), ("cellar", 9, 9), ("hallway", 1, 2)]


def declared_loss(outbox: UUID, seq: int, first: int, last: int) -> IncomingMessage:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    body = Dropped(
        id=uuid7(), device="hallway", outbox=outbox, seq=seq, first=first, last=last, cause="full", at=moment
    )
    return to_message(encode_dropped(body))


def test_a_declared_loss_is_stored_once_and_acknowledged(store: Store, select: Select) -> None:
    declared = declared_loss(uuid4(), seq=9, first=1, last=8)
    for _ in range(2):
        assert store.record([declared]).decisions == {declared.key: None}
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


def test_two_writers_store_each_id_for_one_device_only(store: Store, log: str, select: Select) -> None:
    observations = [make_observation(seq=number) for number in range(1, 201)]
    other = open_for_writing(log)

    def write(writer: Store, device: str) -> int:
        own = [msgspec.structs.replace(observation, device=device) for observation in observations]
        random, stored = Random(device), 0
        for _ in range(20):
            sample = random.sample(own, 50)
            messages = [to_message(encode_observation(observation), device=device) for observation in sample]
            stored += writer.record(messages).stored
        return stored

    with ThreadPoolExecutor() as pool:
        counts = list(pool.map(write, [store, Store(other)], ["hallway", "cellar"]))
    other.dispose()
    assert select("SELECT count(*) FROM observation") == [(sum(counts),)]
    assert not any(check_log(open_for_reading(log)).problems.values())
    query = "SELECT count(*) FROM observation JOIN rejected USING (id) WHERE observation.device = rejected.device"
    assert select(query) == [(0,)]
    query = "SELECT count(*) FROM acked_range JOIN rejected USING (device, outbox) WHERE seq BETWEEN first AND last"
    assert select(query) == select("SELECT count(*) FROM rejected")

"""What is erased is gone and never stored again, on SQLite and PostgreSQL, also while collectors write."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from samples import make_health, make_observation
from sqlalchemy import Engine, text
from uuid6 import uuid7

from mien.broker.admin import erase as erasing
from mien.broker.admin.erase import ErasureReceipt, erase, plan_erasure
from mien.broker.admin.exported_rows import read_rows
from mien.broker.admin.import_log import import_rows
from mien.broker.admin.integrity import check_log
from mien.broker.admin.rejected import replay_rejected
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.database.schema import QUARTER_HOUR_MS, rejected
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.cli import main
from mien.errors import UsageError
from mien.messages.health import encode_health
from mien.messages.observation import Observation, encode_observation

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MS = round((START + timedelta(days=2)).timestamp() * 1000)
OUTBOX = uuid7()
MARKER = "0badc0de5eed"
"""A model's name in the payloads, which nothing else contains."""


def observe(minute: float, seq: int, **changes: Any) -> Observation:
    return make_observation(OUTBOX, seq, **({"at": START + timedelta(minutes=minute)} | changes))


def valid(observation: Observation, received_ms: int = NOW_MS) -> IncomingMessage:
    return decode_message(
        topic=f"mien/{observation.device}/observation",
        payload=encode_observation(observation),
        received_ms=received_ms,
        device=observation.device,
    )


def invalid(observation: Observation, received_ms: int = NOW_MS) -> IncomingMessage:
    fields = msgspec.to_builtins(observation) | {"emotion": "contempt"}
    topic = f"mien/{observation.device}/observation"
    return decode_message(
        topic=topic, payload=msgspec.json.encode(fields), received_ms=received_ms, device=observation.device
    )


def report_health(store: Store, *, next_seq: int, received_ms: int = NOW_MS) -> None:
    health = make_health(OUTBOX, first_seq=1, oldest_seq=next_seq, next_seq=next_seq, waiting=0)
    store.save_device_states({("hallway", "health"): DeviceState(encode_health(health), received_ms)})


@pytest.fixture
def writer(log: str) -> Iterator[Engine]:
    engine = open_for_writing(log)
    yield engine
    engine.dispose()


@pytest.fixture
def reader(log: str, writer: Engine) -> Iterator[Engine]:
    engine = open_for_reading(log)
    yield engine
    engine.dispose()


@pytest.fixture
def store(writer: Engine) -> Store:
    return Store(writer)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "BATCH_SIZE", 7)


def minutes(*limits: float) -> tuple[datetime, ...]:
    return tuple(START + timedelta(minutes=limit) for limit in limits)


def erase_all(writer: Engine, reader: Engine, *span: datetime | None, device: str = "hallway") -> ErasureReceipt:
    start, end = span or (None, None)
    request = plan_erasure(reader, device, start=start, end=end, now_ms=NOW_MS)
    return erase(writer, reader, request, now_ms=NOW_MS, sleep=lambda _s: None)


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def sequence_numbers(engine: Engine) -> list[int]:
    return [seq for (seq,) in rows(engine, "SELECT seq FROM observation ORDER BY seq")]


def counted(engine: Engine) -> int:
    (total,) = rows(engine, "SELECT coalesce(sum(observations), 0) FROM emotion_counts")[0]
    return int(total)


def assert_sound(engine: Engine) -> None:
    report = check_log(engine)
    assert not any(report.problems.values()), report.problems
    assert not any(report.gaps.values()), report.gaps


def test_a_span_is_erased_with_its_counts_in_whole_quarters_of_an_hour(
    store: Store, writer: Engine, reader: Engine
) -> None:
    store.record([valid(observe(minute, 1 + minute)) for minute in range(60)])
    store.record([valid(observe(minute, 1 + minute, device="kitchen")) for minute in range(60)])
    receipt = erase_all(writer, reader, *minutes(16, 31))
    assert receipt.observations == 30
    hallway = rows(reader, "SELECT seq FROM emotion_log WHERE device = 'hallway' ORDER BY seq")
    assert [seq for (seq,) in hallway] == [*range(1, 16), *range(46, 61)]
    assert counted(reader) == 60 + 30
    assert_sound(reader)


def test_the_log_is_sound_after_each_batch(store: Store, writer: Engine, reader: Engine) -> None:
    store.record([valid(observe(minute, 1 + minute)) for minute in range(60)])
    request = plan_erasure(reader, "hallway", start=None, end=None, now_ms=NOW_MS)
    batches: list[int] = []

    def examine(_pause_s: float) -> None:
        assert_sound(reader)
        batches.append(len(sequence_numbers(reader)))

    erase(writer, reader, request, now_ms=NOW_MS, sleep=examine)
    assert batches[:9] == [53, 46, 39, 32, 25, 18, 11, 4, 0]
    assert counted(reader) == 0


@pytest.mark.parametrize("pauses", [0, 4, 8, 9, 10, 11])
def test_an_interrupted_erasure_is_completed_by_another(
    store: Store, writer: Engine, reader: Engine, pauses: int
) -> None:
    store.record([valid(observe(minute, 1 + minute)) for minute in range(60)])
    store.record([invalid(observe(20, 61))])
    request = plan_erasure(reader, "hallway", start=None, end=None, now_ms=NOW_MS)

    def interrupt(_pause_s: float, left: list[int] = [pauses]) -> None:  # noqa: B006 (counts down)
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        erase(writer, reader, request, now_ms=NOW_MS, sleep=interrupt)
    assert_sound(reader)
    erase_all(writer, reader)
    assert (sequence_numbers(reader), counted(reader)) == ([], 0)
    assert rows(reader, "SELECT reason, payload FROM rejected") == [("erased", None)]
    assert rows(reader, "SELECT count(*) FROM erasure") == [(1,)]
    assert rows(reader, "SELECT count(*) FROM capture") == [(0,)]
    assert_sound(reader)


def test_counts_of_rows_that_retention_had_deleted_are_erased_too(store: Store, writer: Engine, reader: Engine) -> None:
    store.record([valid(observe(minute, 1 + minute)) for minute in range(30)])
    position = store.delete_before(NOW_MS + 1)
    assert (position.rows, counted(reader), sequence_numbers(reader)) == (30, 30, [])
    receipt = erase_all(writer, reader, *minutes(0, 15))
    assert (receipt.observations, receipt.counts) == (0, 15)
    assert counted(reader) == 15
    assert_sound(reader)


@pytest.mark.parametrize("is_invalid", [False, True])
def test_what_arrives_late_or_again_is_answered_as_erased_and_only_its_id_is_kept(
    store: Store, writer: Engine, reader: Engine, is_invalid: bool
) -> None:
    stored, late = observe(1, 1), observe(14.9, 3)
    store.record([valid(stored), valid(observe(50, 2))])
    erase_all(writer, reader, *minutes(0, 15))
    for arriving in ([valid(stored)], [invalid(late) if is_invalid else valid(late)]):
        for _ in range(2):
            (answer,) = store.record(arriving).decisions.values()
            assert answer == "erased"
    allowed = valid(observe(15, 4))
    assert store.record([allowed]).decisions == {allowed.key: None}
    ids = [(stored.id.bytes, "erased", None), (late.id.bytes, "erased", None)]
    assert rows(reader, "SELECT id, reason, payload FROM rejected ORDER BY seq") == ids
    assert sequence_numbers(reader) == [2, 4]
    assert_sound(reader)


def test_another_device_keeps_its_rows_of_the_same_time(store: Store, writer: Engine, reader: Engine) -> None:
    store.record([valid(observe(1, 1))])
    erase_all(writer, reader)
    other = valid(observe(1, 2, device="kitchen"))
    assert store.record([other]).decisions == {other.key: None}


def test_rejected_messages_are_erased_by_their_time_or_else_by_when_they_were_received(
    store: Store, writer: Engine, reader: Engine
) -> None:
    start_ms = round(START.timestamp() * 1000)
    noise = [
        decode_message(topic="mien/hallway/observation", payload=payload, received_ms=received_ms, device="hallway")
        for payload, received_ms in ((b"\xffin", start_ms), (b"\xffout", NOW_MS), (b'{"at": 7}', start_ms))
    ]
    foreign = decode_message(  # from an agent of the release before, after its device was renamed
        topic="mien/kitchen/observation",
        payload=encode_observation(observe(3, 3)),
        received_ms=NOW_MS,
        device="kitchen",
    )
    later = invalid(observe(20, 2), start_ms)
    store.record([*noise, invalid(observe(1, 1)), later, foreign])
    receipt = erase_all(writer, reader, *minutes(0, 15))
    assert receipt.rejected == 4
    kept = {bytes(payload) for (payload,) in rows(reader, "SELECT payload FROM rejected WHERE reason != 'erased'")}
    assert kept == {b"\xffout", later.payload}
    assert rows(reader, "SELECT count(*) FROM rejected WHERE reason = 'erased' AND payload IS NULL") == [(4,)]
    assert erase_all(writer, reader).rejected == 2
    assert_sound(reader)


def test_a_whole_device_is_erased_with_its_states_even_if_its_clock_is_ahead(
    store: Store, writer: Engine, reader: Engine
) -> None:
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    ahead, far_ahead = observe(0, 2, at=now + timedelta(hours=2)), observe(0, 3, at=now + timedelta(days=900))
    store.record([valid(observe(1, 1)), valid(ahead), valid(far_ahead, NOW_MS + 900 * 86_400_000)])
    report_health(store, next_seq=4)
    receipt = erase_all(writer, reader)
    assert (receipt.observations, receipt.device_states, sequence_numbers(reader), counted(reader)) == (3, 1, [], 0)
    ((end_ms, is_whole, clear_retained),) = rows(reader, "SELECT end_ms, is_whole_device, clear_retained FROM erasure")
    assert (end_ms // QUARTER_HOUR_MS, is_whole, clear_retained) == (NOW_MS // QUARTER_HOUR_MS + 9, 1, 1)
    assert set(store.record([valid(ahead)]).decisions.values()) == {"erased"}
    assert_sound(reader)


def test_a_device_without_a_clock_keeps_what_it_numbers_after_its_erasure(
    store: Store, writer: Engine, reader: Engine
) -> None:
    store.record([valid(observe(1, 1, clock="unsynced"))])
    report_health(store, next_seq=2)
    erase_all(writer, reader)
    unsent, unreported = observe(2, 2, clock="unsynced"), observe(3, 3, clock="unsynced")
    assert set(store.record([valid(unsent)]).decisions.values()) == {"erased"}
    report_health(store, next_seq=4)  # may be what the broker had retained: it does not count yet
    assert set(store.record([valid(unreported)]).decisions.values()) == {"erased"}
    store.mark_cleared("hallway", {"health": NOW_MS})
    report_health(store, next_seq=5)
    before, after = observe(4, 4, clock="unsynced"), observe(5, 5, clock="unsynced")
    synced = observe(6, 6)
    decisions = store.record([valid(before), valid(after), valid(synced)]).decisions
    assert decisions == {valid(before).key: "erased", valid(after).key: None, valid(synced).key: "erased"}
    report_health(store, next_seq=8)
    assert set(store.record([valid(observe(7, 7, clock="unsynced"))]).decisions.values()) == {None}
    assert sequence_numbers(reader) == [5, 7]
    assert_sound(reader)


def test_an_import_does_not_restore_what_was_erased(
    store: Store, writer: Engine, reader: Engine, log: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store.record([valid(observe(minute, 1 + minute)) for minute in range(30)])
    assert main(["query", "--db", log, "--all", "--format", "ndjson"]) == 0
    exported = capsys.readouterr().out.encode()
    erase_all(writer, reader, *minutes(0, 15))
    result = import_rows(writer, read_rows(io.BytesIO(exported), "log.ndjson"), "log.ndjson")
    assert (result.stored, result.known, result.erased) == (0, 15, 15)
    assert (sequence_numbers(reader), counted(reader)) == ([*range(16, 31)], 15)
    assert_sound(reader)
    file = tmp_path / "log.ndjson"
    file.write_bytes(exported)
    erase_all(writer, reader, *minutes(15, 30))
    assert main(["import", str(file), "--db", log]) == 0
    assert capsys.readouterr().out == "0 stored, 15 already in the log, 15 not stored because they were erased\n"


def test_a_rejected_message_of_an_erased_time_is_not_stored_when_it_is_replayed(
    store: Store, writer: Engine, reader: Engine
) -> None:
    """One whose payload was kept because it could not be read, as it were, when its time was erased."""
    erased, other = observe(1, 1), observe(20, 2)
    messages = [valid(erased), valid(other)]
    store.record([valid(observe(50, 3))])
    erase_all(writer, reader, *minutes(0, 15))
    with writer.begin() as connection:
        for message in messages:
            fields = {
                "identity": message.identity,
                "id": message.id.bytes if message.id else None,
                "device": 1,
                "topic": message.topic,
                "reason": "not understood",
                "received_ms": NOW_MS,
                "payload": message.payload,
            }
            connection.execute(rejected.insert().values(fields))
    result = replay_rejected(writer, now_ms=NOW_MS)
    assert (result.stored, result.still_rejected) == (1, 1)
    assert rows(reader, "SELECT id, reason, payload FROM rejected") == [(erased.id.bytes, "erased", None)]
    assert sequence_numbers(reader) == [2, 3]
    assert_sound(reader)


def test_readers_continue_after_the_newest_rows_were_erased(
    store: Store, writer: Engine, reader: Engine, log: str
) -> None:
    store.record([valid(observe(1, 1, device="kitchen")), valid(observe(2, 2))])
    tail = EmotionLog(log).tail()
    erase_all(writer, reader)
    assert tail.read() == []
    store.record([valid(observe(3, 3, device="kitchen"))])
    assert [row.seq for row in tail.read()] == [3]


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ((START, START), "nothing to erase in that span"),
        ((datetime.fromtimestamp(NOW_MS / 1000 + 60, UTC), None), "--from must be before --to, and in the past"),
    ],
)
def test_a_span_without_a_past_is_refused(
    store: Store, reader: Engine, span: tuple[datetime, datetime | None], message: str
) -> None:
    store.record([valid(observe(1, 1))])
    with pytest.raises(UsageError, match=message):
        plan_erasure(reader, "hallway", start=span[0], end=span[1], now_ms=NOW_MS)


def test_an_end_in_the_future_is_now(store: Store, reader: Engine) -> None:
    store.record([valid(observe(1, 1))])
    future = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(days=9)
    request = plan_erasure(reader, "hallway", start=START, end=future, now_ms=NOW_MS + 1)
    assert request.end_ms == NOW_MS + QUARTER_HOUR_MS
    with pytest.raises(UsageError, match="the log has no device 'attic'"):
        plan_erasure(reader, "attic", start=None, end=None, now_ms=NOW_MS)


def test_the_command_prints_a_receipt(store: Store, log: str, capsys: pytest.CaptureFixture[str]) -> None:
    store.record([valid(observe(minute, 1 + minute)) for minute in range(30)])
    span = ["--from", "2026-11-22T12:10Z", "--to", "2026-11-22T12:20Z"]
    command = ["db", "erase", "--db", log, "--device", "hallway", *span]
    assert main(command) == 2
    assert "add --yes" in capsys.readouterr().err
    assert main([*command, "--yes", "--json"]) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert receipt["deleted"]["observations"] == 30
    limits = [datetime.fromisoformat(receipt[name]) for name in ("from", "to")]
    assert limits == [*minutes(0, 30)]
    assert {"backups", "home_assistant", "outbox", "exports"} < receipt["remains"].keys()
    assert "`mien db vacuum`" in receipt["remains"]["database_files"]
    assert main(["db", "erase", "--db", log, "--device", "hallway", "--yes"]) == 0
    output = capsys.readouterr().out
    assert "0 observations" in output
    assert "whole quarters of an hour" in output
    assert "retained messages at the MQTT broker" in output

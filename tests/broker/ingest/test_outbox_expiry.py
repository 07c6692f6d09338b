"""Outboxes and their names are deleted once they can matter no more, and not before, on SQLite and PostgreSQL."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest
from samples import make_health, make_observation
from sqlalchemy import Engine, insert, text
from uuid6 import uuid7

from mien.broker.admin.exported_rows import read_rows
from mien.broker.admin.import_log import import_rows
from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_writing
from mien.broker.database.gaps import Gaps, find_gaps
from mien.broker.database.schema import erasure
from mien.broker.ingest import outbox_expiry
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.retention import START, Position
from mien.broker.ingest.store import Store
from mien.broker.query.aggregate import count_observations
from mien.broker.query.filters import Filter
from mien.broker.query.observations import list_observations
from mien.messages.dropped import Dropped, encode_dropped
from mien.messages.health import encode_health
from mien.messages.observation import encode_observation

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000
OLD, NEW, NEWEST = uuid4(), uuid4(), uuid4()


class Log:
    """An emotion log in which devices do something on certain days, and whose retention period is 30 days."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.store = Store(engine)

    def send(self, day: int, outbox: UUID, *numbers: int, device: str = "hallway", emotion: str = "happy") -> None:
        at = datetime.fromtimestamp((NOW_MS + day * DAY_MS) / 1000, UTC)
        for seq in numbers:
            payload = encode_observation(make_observation(outbox, seq, device=device, at=at))
            self._record(day, payload.replace(b'"happy",', b'"%s",' % emotion.encode()), device)

    def declare_lost(self, day: int, outbox: UUID, seq: int, first: int, last: int) -> None:
        at = datetime(2026, 11, 22, tzinfo=UTC)
        loss = Dropped(
            id=uuid7(), device="hallway", outbox=outbox, seq=seq, first=first, last=last, cause="full", at=at
        )
        self._record(day, encode_dropped(loss), "hallway")

    def report(self, day: int, outbox: UUID, *, device: str = "hallway", **numbers: object) -> None:
        state = DeviceState(encode_health(make_health(outbox, **numbers)), NOW_MS + day * DAY_MS)
        self.store.save_device_states({(device, "health"): state})

    def apply_retention(self, day: int) -> dict[str, int]:
        """What was deleted by table."""
        position: Position | None = START
        counts: dict[str, int] = {}
        while position:
            deletion = self.store.delete_before(NOW_MS + (day - 30) * DAY_MS, position)
            position = deletion.next_position
            counts[deletion.table] = counts.get(deletion.table, 0) + deletion.rows
        assert not any(check_log(self.engine).problems.values())
        return {table: count for table, count in counts.items() if count}

    def gaps(self) -> Gaps:
        with self.engine.connect() as connection:
            return find_gaps(connection)

    def outboxes(self) -> set[UUID]:
        """The outboxes that have a name, which are those that have numbers."""
        with self.engine.connect() as connection:
            named = set(connection.execute(text("SELECT key FROM outbox")).scalars())
            ranged = set(connection.execute(text("SELECT outbox FROM acked_range")).scalars())
            counted = set(connection.execute(text("SELECT outbox FROM outbox_counter")).scalars())
            assert named == ranged | counted
            return {UUID(bytes=name) for name in connection.execute(text("SELECT name FROM outbox")).scalars()}

    def _record(self, day: int, payload: bytes, device: str) -> None:
        self.store.record([self._message(day, payload, device)])

    @staticmethod
    def _message(day: int, payload: bytes, device: str) -> IncomingMessage:
        received_ms = NOW_MS + day * DAY_MS
        return decode_message(
            topic=f"mien/{device}/observation", payload=payload, received_ms=received_ms, device=device
        )


@pytest.fixture
def emotion_log(log: str) -> Iterator[Log]:
    engine = open_for_writing(log)
    yield Log(engine)
    engine.dispose()


def test_a_quiet_device_shows_no_gap_when_all_its_rows_have_expired(emotion_log: Log) -> None:
    emotion_log.send(0, OLD, 1, 2, 3)
    emotion_log.report(0, OLD, oldest_seq=4, next_seq=4)
    assert emotion_log.apply_retention(day=400) == {"observation": 3}
    assert emotion_log.apply_retention(day=800) == {}
    assert emotion_log.outboxes() == {OLD}
    assert emotion_log.gaps() == {"hallway": {}}
    emotion_log.send(801, OLD, 4)
    emotion_log.report(801, OLD, oldest_seq=5, next_seq=5)
    assert emotion_log.gaps() == {"hallway": {}}


def test_a_gap_of_a_quiet_device_stays(emotion_log: Log) -> None:
    emotion_log.send(0, OLD, 1, 3)
    emotion_log.report(0, OLD, oldest_seq=4, next_seq=4)
    emotion_log.apply_retention(day=400)
    assert emotion_log.gaps() == {"hallway": {str(OLD): [(2, 2)]}}


def test_an_outbox_is_deleted_when_its_device_has_had_another_one_for_30_days(emotion_log: Log) -> None:
    emotion_log.send(0, OLD, 1, 2)
    emotion_log.report(0, OLD, oldest_seq=4, next_seq=4)
    emotion_log.report(1, NEW, oldest_seq=1, next_seq=1, corrupt_files=1)
    assert emotion_log.gaps() == {"hallway": {str(OLD): [(3, 3)]}}
    assert emotion_log.apply_retention(day=29) == {}
    assert emotion_log.apply_retention(day=31) == {"observation": 2, "outbox": 1, "name": 1}
    assert emotion_log.outboxes() == {NEW}
    assert emotion_log.gaps() == {"hallway": {}}


def test_an_outbox_without_rows_is_kept_until_it_has_been_silent_for_30_days(emotion_log: Log) -> None:
    emotion_log.report(0, OLD, oldest_seq=2, next_seq=2)
    emotion_log.report(1, NEW, oldest_seq=1, next_seq=1)
    assert emotion_log.apply_retention(day=29) == {}
    assert emotion_log.gaps() == {"hallway": {str(OLD): [(1, 1)]}}
    assert emotion_log.apply_retention(day=31) == {"outbox": 1, "name": 1}


def test_a_silent_outbox_is_kept_as_long_as_one_of_its_rows(emotion_log: Log) -> None:
    emotion_log.report(0, OLD, oldest_seq=1, next_seq=4)
    emotion_log.report(1, NEW, oldest_seq=1, next_seq=1)
    emotion_log.send(25, OLD, 1)  # was in flight for long
    emotion_log.send(26, OLD, 2, emotion="smug")
    emotion_log.declare_lost(27, OLD, 5, 3, 3)
    for day, expired in ((40, {}), (56, {"observation": 1}), (57, {"rejected": 1})):
        assert emotion_log.apply_retention(day) == expired
        assert emotion_log.outboxes() == {OLD, NEW}
    assert emotion_log.apply_retention(day=58) == {"dropped": 1, "outbox": 1, "name": 1}


def test_rows_that_a_lost_outbox_would_have_sent_again_expire_with_it(emotion_log: Log) -> None:
    emotion_log.send(0, OLD, 1, 2)
    emotion_log.send(0, OLD, 3, emotion="smug")
    emotion_log.report(0, OLD, oldest_seq=2, next_seq=4)
    assert emotion_log.apply_retention(day=31) == {"observation": 1}  # 2 and 3 may be sent again
    emotion_log.report(32, NEW, oldest_seq=1, next_seq=1)
    assert emotion_log.apply_retention(day=33) == {"observation": 1, "rejected": 1, "outbox": 1, "name": 1}


def test_an_outbox_whose_rows_were_taken_over_is_kept_as_long_as_the_one_that_took_them(emotion_log: Log) -> None:
    emotion_log.send(0, OLD, 1, 2, 3)
    emotion_log.send(0, OLD, 5)
    emotion_log.report(0, OLD, oldest_seq=4, next_seq=6)
    emotion_log.report(1, NEW, first_seq=4, oldest_seq=4, next_seq=6, previous_outbox=OLD)
    emotion_log.send(1, NEW, 4)
    emotion_log.report(1, NEW, first_seq=4, oldest_seq=6, next_seq=6, previous_outbox=OLD)
    assert emotion_log.apply_retention(day=400) == {"observation": 5}
    assert emotion_log.outboxes() == {OLD, NEW}
    assert emotion_log.gaps() == {"hallway": {}}
    emotion_log.report(401, NEWEST, oldest_seq=1, next_seq=1)
    assert emotion_log.apply_retention(day=402) == {"outbox": 2, "name": 2}
    assert emotion_log.outboxes() == {NEWEST}


def test_rejected_messages_and_declared_losses_expire_below_the_oldest_number_that_waits(emotion_log: Log) -> None:
    emotion_log.send(0, OLD, 1, 2, emotion="smug")
    emotion_log.declare_lost(0, OLD, 5, 3, 4)
    emotion_log.declare_lost(0, OLD, 7, 6, 6)
    emotion_log._record(0, b"noise", "hallway")
    emotion_log._record(0, encode_observation(make_observation(OLD, 9, device="cellar")), "hallway")
    emotion_log.report(0, OLD, oldest_seq=2, next_seq=8)
    assert emotion_log.apply_retention(day=29) == {}
    assert emotion_log.apply_retention(day=31) == {"rejected": 3}  # 1, the noise, and the one under a false name
    emotion_log.report(31, OLD, oldest_seq=7, next_seq=8)
    assert emotion_log.apply_retention(day=31) == {"rejected": 1, "dropped": 1}
    assert check_log(emotion_log.engine).dropped == {"hallway": 3}


def test_the_numbers_of_a_wholly_erased_device_are_deleted_when_it_is_silent(emotion_log: Log) -> None:
    emotion_log.send(0, OLD, 1, 2)
    emotion_log.report(0, OLD, oldest_seq=3, next_seq=3)
    emotion_log.send(0, NEW, 1, 2, device="cellar")
    emotion_log.report(0, NEW, oldest_seq=3, next_seq=3, device="cellar")
    with emotion_log.engine.begin() as connection:
        span = {"start_ms": 0, "end_ms": NOW_MS, "erased_ms": NOW_MS}
        connection.execute(insert(erasure).values(device=1, is_whole_device=1, clear_retained=0, **span))
    assert emotion_log.apply_retention(day=29) == {}
    assert emotion_log.apply_retention(day=31)["outbox"] == 1
    assert emotion_log.outboxes() == {NEW}


def test_an_outbox_that_was_never_reported_is_kept_if_it_is_the_last(emotion_log: Log) -> None:
    emotion_log.send(0, OLD, 1)
    emotion_log.send(1, NEW, 1)
    assert emotion_log.apply_retention(day=32) == {"observation": 2, "outbox": 1, "name": 1}
    assert emotion_log.outboxes() == {NEW}
    emotion_log.report(33, NEW, oldest_seq=2, next_seq=2)
    assert emotion_log.gaps() == {"hallway": {}}


def test_an_outbox_of_several_devices_keeps_its_name_until_the_last_is_over(emotion_log: Log) -> None:
    for device in ("hallway", "cellar"):
        emotion_log.send(0, OLD, 1, device=device)
        emotion_log.report(0, OLD, oldest_seq=2, next_seq=2, device=device)
    emotion_log.report(1, NEW, oldest_seq=1, next_seq=1)
    assert emotion_log.apply_retention(day=32) == {"observation": 2, "outbox": 1}
    assert emotion_log.outboxes() == {OLD, NEW}


def test_many_outboxes_are_deleted_in_several_transactions(emotion_log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_expiry, "MAX_OUTBOXES", 3)
    for _ in range(10):
        emotion_log.send(0, uuid4(), 1)
    assert emotion_log.apply_retention(day=31) == {"observation": 10, "outbox": 9, "name": 9}


def test_a_device_of_which_nothing_is_left_has_no_name(emotion_log: Log) -> None:
    emotion_log._record(0, b"noise", "stranger")
    emotion_log.send(0, OLD, 1)
    assert emotion_log.apply_retention(day=31) == {"observation": 1, "rejected": 1, "name": 1}
    with emotion_log.engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM device")).scalars().all() == ["hallway"]


def test_rows_of_a_forgotten_outbox_are_imported_without_being_counted_again(emotion_log: Log) -> None:
    emotion_log.send(0, OLD, *range(1, 8))
    emotion_log.report(0, OLD, oldest_seq=8, next_seq=8)
    exported = [
        msgspec.json.encode(row.to_dict())
        for row in list_observations(emotion_log.engine, Filter(), limit=9, zone=UTC).rows
    ]
    before = count_observations(emotion_log.engine, Filter(), by=["emotion"], zone=UTC).rows
    emotion_log.report(1, NEW, oldest_seq=1, next_seq=1)
    emotion_log.apply_retention(day=32)
    assert emotion_log.outboxes() == {NEW}
    for lines in (exported[:3], exported):  # the second time after an interruption
        export = io.BytesIO(b"\n".join(lines))
        import_rows(emotion_log.engine, read_rows(export, "log.ndjson"), "log.ndjson")
    assert count_observations(emotion_log.engine, Filter(), by=["emotion"], zone=UTC).rows == before
    assert not any(check_log(emotion_log.engine).problems.values())

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from samples import make_observation
from sqlalchemy import Engine

from mien.broker.arrival import Arrival, decode_arrival
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.store import Store
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
def path(tmp_path: Path) -> Path:
    return tmp_path / "mien.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    engine = open_for_writing(path)
    yield Store(engine)
    engine.dispose()


Select = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def select(path: Path) -> Select:
    """Plain sqlite3, as a user of the file would ask."""

    def run(query: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(path) as database:
            return database.execute(query).fetchall()

    return run


def test_an_observation_is_stored_once_however_often_it_comes(store: Store, select: Select) -> None:
    observation = make_observation()
    for _ in range(2):
        assert store.record([good(observation), good(observation)]) == {observation.id: None}
    assert select("SELECT count(*) FROM observation") == [(1,)]


def test_the_view_says_what_the_device_said(store: Store, path: Path) -> None:
    observation = make_observation(seq=7)
    store.record([good(observation)])
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        (row,) = database.execute("SELECT * FROM emotion_log").fetchall()
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
        (reason,) = store.record([bad(observation)]).values()
        assert reason == "Invalid enum value 'contempt' - at `$.emotion`"
    assert select("SELECT count(*), reason FROM rejected") == [(1, reason)]
    assert select("SELECT count(*) FROM observation") == [(0,)]


@pytest.mark.parametrize(
    "payload",
    [b"", b"hello", b"\xff\xfe", b"[1,2]", b'{"id": 3}', b"[" * 100_000, b'{"agent":"\xff"}', b'{"schema": 1}'],
)
def test_what_cannot_be_decoded_is_kept_once(store: Store, select: Select, payload: bytes) -> None:
    for _ in range(2):
        assert store.record([arrival(payload), arrival(payload)]) == {}
    assert select("SELECT payload, topic FROM rejected") == [(payload, "mien/hallway/observation")]


def test_a_device_cannot_speak_for_another(store: Store, select: Select) -> None:
    observation = make_observation(device="cellar")
    (reason,) = store.record([arrival(encode(observation), device="hallway")]).values()
    assert reason == "device cellar on the topic of hallway"
    assert select("SELECT (SELECT count(*) FROM observation), reason FROM rejected") == [(0, reason)]


def test_a_synced_clock_that_is_days_ahead_is_rejected_and_an_unsynced_one_is_not(store: Store) -> None:
    ahead = datetime.fromtimestamp(RECEIVED_MS / 1000 + 25 * 3600, UTC)
    synced, unsynced = make_observation(at=ahead), make_observation(at=ahead, clock="unsynced")
    answers = store.record([good(synced), good(unsynced)])
    assert answers == {synced.id: "at is 25 hours ahead though the clock is synced", unsynced.id: None}


def test_the_first_commit_decides_whether_an_id_is_stored_or_rejected(store: Store, select: Select) -> None:
    first_good, first_bad = make_observation(), make_observation()
    store.record([good(first_good), bad(first_bad)])
    answers = store.record([bad(first_good), good(first_bad)])
    assert answers[first_good.id] is None
    assert answers[first_bad.id] is not None
    assert select("SELECT (SELECT count(*) FROM observation), (SELECT count(*) FROM rejected)") == [(1, 1)]


def test_one_batch_may_hold_everything(store: Store, select: Select) -> None:
    observations = [make_observation(seq=number, device=f"d{number % 3}") for number in range(1, 501)]
    arrivals = [arrival(encode(one), device=one.device) for one in observations]
    arrivals += [arrival(b"noise"), bad(make_observation())]
    answers = store.record(arrivals)
    assert sum(reason is None for reason in answers.values()) == 500
    assert select("SELECT device, count(*) FROM emotion_log GROUP BY device") == [("d0", 166), ("d1", 167), ("d2", 167)]
    assert select("SELECT count(*) FROM rejected") == [(2,)]


def test_nothing_of_a_batch_is_stored_when_its_transaction_fails(path: Path, select: Select) -> None:
    engine = open_for_writing(path)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER disk_full BEFORE INSERT ON rejected "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    with pytest.raises(DatabaseError, match="database or disk is full"):
        Store(engine).record([good(make_observation()), arrival(b"noise")])
    engine.dispose()
    assert select("SELECT count(*) FROM observation") == [(0,)]


def test_a_missing_or_alien_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"none.db does not exist"):
        open_for_reading(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("this is not SQLite, it only stands in its place" * 20)
    for open_it in (open_for_reading, open_for_writing):
        with pytest.raises(DatabaseError, match="file is not a database"):
            open_it(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE observation (seq)")
    with pytest.raises(DatabaseError, match="is some other program's database"):
        open_for_writing(tmp_path / "other.db")
    with pytest.raises(DatabaseError, match="stores in SQLite files only"):
        open_for_writing(Path("postgresql://server/mien"))
    sqlite3.connect(tmp_path / "empty.db").close()
    with pytest.raises(DatabaseError, match="is not an emotion log of this release"):
        open_for_reading(tmp_path / "empty.db")


def test_a_database_of_a_newer_release_is_left_alone(path: Path) -> None:
    open_for_writing(path).dispose()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseError, match="made by a newer mien"):
        open_for_writing(path)


def test_reading_goes_on_while_the_collector_writes(store: Store, path: Path) -> None:
    reader: Engine = open_for_reading(path)
    store.record([good(make_observation())])
    with reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM emotion_log").scalar_one() == 1
        store.record([good(make_observation())])

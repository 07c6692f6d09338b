"""The log for programs, on both stores: rows and frames, limits of time and number, one's own SQL."""

import io
import itertools
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet
from samples import make_observation
from sqlalchemy import Engine, text

from mien.broker import EmotionLog, readers
from mien.broker.arrival import Arrival, decode_arrival
from mien.broker.database import open_for_reading, open_for_writing, reading
from mien.broker.following import Follower
from mien.broker.listing import Mark, list_page
from mien.broker.question import Question
from mien.broker.store import Store
from mien.command import main
from mien.errors import DatabaseError, LogBusy, QueryStopped, UsageError
from mien.observation import Observation, encode

BEGIN = datetime(2025, 11, 22, 12, 0, tzinfo=UTC)
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


def arrivals(*made: Observation) -> list[Arrival]:
    return [
        decode_arrival(topic="t", payload=encode(one), received_ms=1_800_000_000_000, device=one.device) for one in made
    ]


@pytest.fixture
def writer(log: str) -> Iterator[Engine]:
    """Of a log with ten observations of three devices, two at each moment."""
    engine = open_for_writing(log)
    made = [
        make_observation(at=BEGIN + timedelta(minutes=number // 2), device=f"room-{number % 3}") for number in range(10)
    ]
    Store(engine).record(arrivals(*made))
    yield engine
    engine.dispose()


@pytest.mark.usefixtures("writer")
def test_observations_and_counts_are_rows_and_frames(log: str) -> None:
    with EmotionLog(log, zone="Asia/Kolkata") as mine:
        newest = mine.observations(limit=3, devices=["room-0"])
        assert [row["at"] for row in newest] == [BEGIN + timedelta(minutes=number) for number in (1, 3, 4)]
        assert newest[0]["at"].utcoffset() == timedelta(hours=5.5)
        assert len(mine.observations(limit=None)) == 10
        counts = mine.counts("day,emotion", begin="2025-11-22", end=datetime(2025, 11, 23, tzinfo=UTC))
        assert list(counts) == [
            {"day": date(2025, 11, 22), "emotion": "happy", "observations": 10, "share": 1.0, "mean_confidence": 0.7}
        ]
        assert counts.source.startswith("the counts by quarters of an hour")
        arrow, pandas, polars = newest.to_arrow(), newest.to_pandas(), newest.to_polars()
        assert arrow.schema.field("at").type == pa.timestamp("ms", tz="Asia/Kolkata")
        assert arrow.num_rows == len(pandas) == len(polars) == 3
        assert list(pandas["at"]) == list(polars["at"]) == [row["at"] for row in newest]
        assert polars["confidence"].dtype == pl.Float64
        assert mine.counts("hour", begin="2030-01-01").to_arrow().num_rows == 0
        assert dict(mine.sql("SELECT count(*) AS found FROM emotion_log")[0]) == {"found": 10}


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize("devices", [(), ("room-0",), ("room-0", "room-2")])
@pytest.mark.usefixtures("writer")
def test_pages_go_on_where_the_one_before_ended(log: str, oldest_first: bool, devices: tuple[str, ...]) -> None:
    engine, question = open_for_reading(log), Question(devices=devices)
    whole = list_page(engine, question, limit=100, zone=None, oldest_first=oldest_first)
    assert whole.next is None
    assert len(whole.rows) == {0: 10, 1: 4, 2: 7}[len(devices)]
    read, mark = [], None
    for _ in itertools.count():
        page = list_page(engine, question, limit=3, zone=None, oldest_first=oldest_first, after=mark)
        read += page.rows
        if page.next is None:
            break
        mark = Mark.parse(str(page.next))
    assert read == whole.rows
    moments = [row["at"] for row in read]
    assert moments == sorted(moments, reverse=not oldest_first)


def test_new_rows_come_as_they_are_stored_and_others_do_not(log: str, writer: Engine) -> None:
    follower = Follower(open_for_reading(log), Question(devices=["room-1"]), zone=UTC)
    assert follower.new() == []
    wanted = make_observation(at=BEGIN - timedelta(days=9), device="room-1")
    Store(writer).record(arrivals(wanted, make_observation(device="room-0")))
    assert [row["id"] for row in follower.new()] == [str(wanted.id)]
    assert follower.new() == []
    with writer.begin() as connection:
        connection.execute(text("DELETE FROM observation"))
    again = make_observation(device="room-1")
    Store(writer).record(arrivals(again))
    assert [row["id"] for row in follower.new()] == [str(again.id)]


@pytest.mark.usefixtures("writer")
def test_what_takes_too_long_is_stopped_and_the_log_answers_again(log: str) -> None:
    with EmotionLog(log, limit_s=0.2) as mine:
        with pytest.raises(QueryStopped, match="ask for less time or fewer devices"):
            mine.sql(ENDLESS)
        assert len(mine.observations()) == 10


@pytest.mark.usefixtures("writer")
def test_four_may_ask_at_once_and_the_fifth_is_told_to_wait(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(readers.READERS, "pool_timeout", 0.1)
    engine = open_for_reading(log)
    asking = threading.Barrier(readers.AT_ONCE + 1)
    answered = threading.Event()

    def ask() -> None:
        with reading(engine) as connection:
            connection.execute(text("SELECT 1"))
            asking.wait(10)
            answered.wait(10)

    threads = [threading.Thread(target=ask) for _ in range(readers.AT_ONCE)]
    for thread in threads:
        thread.start()
    asking.wait(10)
    with pytest.raises(LogBusy, match="ask again in a moment"), reading(engine):
        pass
    answered.set()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM observation",
        "SELECT 1; DELETE FROM observation",
        "CREATE TABLE mine (a INTEGER)",
        "ATTACH 'other.db' AS other",
        "PRAGMA journal_mode = DELETE",
        "BEGIN",
        "COMMIT",
        "no SQL",
        "",
        "SELECT 'öß\ud800'",
        "SELECT load_extension('x')",
        "COPY observation TO PROGRAM 'cat'",
        "SET TRANSACTION READ WRITE",
    ],
)
def test_sql_that_does_more_than_read_is_refused(log: str, writer: Engine, statement: str) -> None:
    with EmotionLog(log) as mine:
        with pytest.raises(UsageError, match="write one SELECT"):
            mine.sql(statement)
        assert len(mine.observations()) == 10
    with writer.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM observation")).scalar_one() == 10


@pytest.mark.parametrize("name", ["x' OR 1=1 --", '"; DROP TABLE observation; --', "../../etc/passwd", "room-0\x00"])
@pytest.mark.usefixtures("writer")
def test_a_name_is_never_sql(log: str, name: str) -> None:
    with EmotionLog(log) as mine:
        for asked in ({"devices": [name]}, {"emotions": [name]}, {"model": name}, {"capture": name}, {"since": name}):
            with pytest.raises(UsageError):
                mine.observations(**asked)  # type: ignore[arg-type]
        assert len(mine.observations()) == 10


def test_a_log_that_is_locked_is_said_to_be(tmp_path: object) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        EmotionLog(f"{tmp_path}/no.db")


@pytest.mark.usefixtures("writer")
def test_columns_for_other_programs(log: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    arguments = ["query", "--db", log, "--all", "--timezone", "UTC"]
    assert main([*arguments, "--format", "parquet"]) == 0
    table = parquet.read_table(io.BytesIO(capfdbinary.readouterr().out))
    assert main([*arguments, "--format", "arrow"]) == 0
    streamed = pa.ipc.open_stream(capfdbinary.readouterr().out).read_all()
    assert table.num_rows == streamed.num_rows == 10
    assert table.schema.equals(streamed.schema)
    assert table.column("at")[0].as_py() == BEGIN.astimezone(ZoneInfo("UTC"))
    assert main([*arguments, "--since", "1s", "--format", "arrow"]) == 0
    empty = pa.ipc.open_stream(capfdbinary.readouterr().out).read_all()
    assert (empty.num_rows, empty.schema) == (0, table.schema)


@pytest.mark.usefixtures("writer")
def test_a_frame_without_rows_has_the_same_columns_as_one_with(log: str) -> None:
    with EmotionLog(log, zone="UTC") as reading:
        for name in ("minute", "hour", "day", "weekday", "emotion", "device", "model"):
            full, empty = reading.counts(name).to_arrow(), reading.counts(name, since="1s").to_arrow()
            assert (full.num_rows > 0, empty.num_rows, empty.schema) == (True, 0, full.schema)
        assert reading.observations(since="1s").to_arrow().schema == reading.observations().to_arrow().schema
        assert list(reading.observations(since="1s").to_pandas()["confidence"]) == []


def test_mien_help_needs_no_database() -> None:
    import mien.broker

    assert "EmotionLog" in mien.broker.__all__
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        mien.broker.Nothing  # noqa: B018
    assert sys.modules["mien.broker"].EmotionLog is EmotionLog

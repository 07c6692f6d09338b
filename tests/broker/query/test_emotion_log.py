"""EmotionLog on both databases: rows and data frames, paging, time and reader limits, raw SQL."""

import doctest
import io
import itertools
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from types import ModuleType
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest
from postgresql import reading_url
from pyarrow import parquet
from samples import make_observation
from sqlalchemy import Engine, text

from mien.broker.database import reader_pool
from mien.broker.database.engine import open_for_reading, open_for_writing, read_transaction
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog, ObservationRow, result
from mien.broker.query import emotion_log as emotion_log_module
from mien.broker.query import observations as observations_module
from mien.cli import main
from mien.emotions import EMOTIONS
from mien.errors import DatabaseError, QueryTimeout, TooManyQueries, UsageError
from mien.messages.observation import Observation, Scores, encode_observation

START = datetime(2025, 11, 22, 12, 0, tzinfo=UTC)
ENDLESS_QUERY = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


def to_messages(*observations: Observation) -> list[IncomingMessage]:
    return [
        decode_message(
            topic="t",
            payload=encode_observation(observation),
            received_ms=1_800_000_000_000,
            device=observation.device,
        )
        for observation in observations
    ]


@pytest.fixture
def writer(log: str) -> Iterator[Engine]:
    """A writer to a log with ten observations by three devices, two at each time."""
    engine = open_for_writing(log)
    observations = [
        make_observation(at=START + timedelta(minutes=number // 2), device=f"room-{number % 3}") for number in range(10)
    ]
    Store(engine).record(to_messages(*observations))
    yield engine
    engine.dispose()


@pytest.mark.usefixtures("writer")
def test_observations_and_counts_are_rows_and_data_frames(log: str) -> None:
    with EmotionLog(log, zone="Asia/Kolkata") as emotion_log:
        newest = emotion_log.observations(limit=3, devices=["room-0"])
        assert [row.at for row in newest] == [START + timedelta(minutes=number) for number in (1, 3, 4)]
        assert newest[0].at.utcoffset() == timedelta(hours=5.5)
        assert len(emotion_log.observations(limit=None)) == 10
        counts = emotion_log.counts("day,emotion", start="2025-11-22", end=datetime(2025, 11, 23, tzinfo=UTC))
        assert counts.to_dicts() == [row.to_dict() for row in counts]
        assert [row.to_dict() for row in counts] == [
            {"day": date(2025, 11, 22), "emotion": "happy", "observations": 10, "share": 1.0, "mean_confidence": 0.7}
        ]
        assert counts.source.startswith("quarter-hour counts")
        arrow, pandas, polars = newest.to_arrow(), newest.to_pandas(), newest.to_polars()
        assert arrow.schema.field("at").type == pa.timestamp("ms", tz="Asia/Kolkata")
        assert arrow.num_rows == len(pandas) == len(polars) == 3
        assert list(pandas["at"]) == list(polars["at"]) == [row.at for row in newest]
        assert polars["confidence"].dtype == pl.Float64
        assert emotion_log.counts("hour", start="2030-01-01").to_arrow().num_rows == 0
    with EmotionLog(reading_url(log)) as emotion_log:
        assert dict(emotion_log.sql("SELECT count(*) AS rows FROM emotion_log")[0]) == {"rows": 10}


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize("devices", [(), ("room-0",), ("room-0", "room-2")])
@pytest.mark.usefixtures("writer")
def test_pages_continue_where_the_previous_one_ended(log: str, oldest_first: bool, devices: tuple[str, ...]) -> None:
    emotion_log = EmotionLog(log)
    only_page = emotion_log.page(limit=100, oldest_first=oldest_first, devices=devices)
    assert only_page.next is None
    assert len(only_page.rows) == {0: 10, 1: 4, 2: 7}[len(devices)]
    rows: list[ObservationRow] = []
    cursor: str | None = None
    for _ in itertools.count():
        page = emotion_log.page(cursor, limit=3, oldest_first=oldest_first, devices=devices)
        rows += page.rows
        if page.next is None:
            break
        cursor = str(page.next)
    assert rows == only_page.rows
    times = [row.at for row in rows]
    assert times == sorted(times, reverse=not oldest_first)


def test_the_tail_reads_new_rows_that_match_and_no_others(log: str, writer: Engine) -> None:
    tail = EmotionLog(log, zone="UTC").tail(devices=["room-1"])
    assert tail.read() == []
    matching = make_observation(at=START - timedelta(days=9), device="room-1")
    Store(writer).record(to_messages(matching, make_observation(device="room-0")))
    assert [row.id for row in tail.read()] == [str(matching.id)]
    assert tail.read() == []
    with writer.begin() as connection:
        connection.execute(text("DELETE FROM observation"))
    after_deletion = make_observation(device="room-1")
    Store(writer).record(to_messages(after_deletion))
    assert [row.id for row in tail.read()] == [str(after_deletion.id)]


@pytest.mark.usefixtures("writer")
def test_a_slow_query_is_stopped_and_the_next_one_runs(log: str) -> None:
    with EmotionLog(reading_url(log), timeout_s=0.2) as emotion_log:
        with pytest.raises(QueryTimeout, match="ask for a shorter period or fewer devices"):
            emotion_log.sql(ENDLESS_QUERY)
        assert len(emotion_log.observations()) == 10


@pytest.mark.usefixtures("writer")
def test_four_queries_run_at_once_and_a_fifth_is_rejected(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(reader_pool.READER_POOL_OPTIONS, "pool_timeout", 0.1)
    engine = open_for_reading(log)
    all_running = threading.Barrier(reader_pool.MAX_READERS + 1)
    finish = threading.Event()

    def run_query() -> None:
        with read_transaction(engine) as connection:
            connection.execute(text("SELECT 1"))
            all_running.wait(10)
            finish.wait(10)

    threads = [threading.Thread(target=run_query) for _ in range(reader_pool.MAX_READERS)]
    for thread in threads:
        thread.start()
    all_running.wait(10)
    with pytest.raises(TooManyQueries, match="try again in a moment"), read_transaction(engine):
        pass
    finish.set()
    for thread in threads:
        thread.join()
    with read_transaction(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM observation",
        "SELECT 1; DELETE FROM observation",
        "CREATE TABLE mine (a INTEGER)",
        "ATTACH 'other.db' AS other",
        "PRAGMA journal_mode = DELETE",
        "START",
        "COMMIT",
        "no SQL",
        "",
        "SELECT 'öß\ud800'",
        "SELECT load_extension('x')",
        "COPY observation TO PROGRAM 'cat'",
        "SET TRANSACTION READ WRITE",
    ],
)
def test_sql_that_does_more_than_read_is_rejected(log: str, writer: Engine, statement: str) -> None:
    with EmotionLog(reading_url(log)) as emotion_log:
        with pytest.raises(UsageError, match="write one SELECT"):
            emotion_log.sql(statement)
        assert len(emotion_log.observations()) == 10
    with writer.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM observation")).scalar_one() == 10


@pytest.mark.parametrize("name", ["x' OR 1=1 --", '"; DROP TABLE observation; --', "../../etc/passwd", "room-0\x00"])
@pytest.mark.usefixtures("writer")
def test_names_are_never_run_as_sql(log: str, name: str) -> None:
    with EmotionLog(log) as emotion_log:
        for options in ({"devices": [name]}, {"emotions": [name]}, {"model": name}, {"capture": name}, {"since": name}):
            with pytest.raises(UsageError):
                emotion_log.observations(**options)
        assert len(emotion_log.observations()) == 10


def test_a_missing_log_is_reported(tmp_path: object) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        EmotionLog(f"{tmp_path}/no.db")


@pytest.mark.usefixtures("writer")
def test_columnar_formats(log: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    arguments = ["query", "--db", log, "--all", "--timezone", "UTC"]
    assert main([*arguments, "--format", "parquet"]) == 0
    table = parquet.read_table(io.BytesIO(capfdbinary.readouterr().out))
    assert main([*arguments, "--format", "arrow"]) == 0
    stream = pa.ipc.open_stream(capfdbinary.readouterr().out).read_all()
    assert table.num_rows == stream.num_rows == 10
    assert table.schema.equals(stream.schema)
    assert table.column("at")[0].as_py() == START.astimezone(ZoneInfo("UTC"))
    assert main([*arguments, "--since", "1s", "--format", "arrow"]) == 0
    empty = pa.ipc.open_stream(capfdbinary.readouterr().out).read_all()
    assert (empty.num_rows, empty.schema) == (0, table.schema)


@pytest.mark.usefixtures("writer")
def test_a_data_frame_without_rows_has_all_columns(log: str) -> None:
    with EmotionLog(log, zone="UTC") as emotion_log:
        for name in ("minute", "hour", "day", "weekday", "emotion", "device", "model"):
            full, empty = emotion_log.counts(name).to_arrow(), emotion_log.counts(name, since="1s").to_arrow()
            assert (full.num_rows > 0, empty.num_rows, empty.schema) == (True, 0, full.schema)
        assert emotion_log.observations(since="1s").to_arrow().schema == emotion_log.observations().to_arrow().schema
        assert list(emotion_log.observations(since="1s").to_pandas()["confidence"]) == []


@pytest.mark.parametrize("module", [emotion_log_module, result])
def test_the_examples_in_the_docstrings_are_true(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = open_for_writing("mien.db")
    first = make_observation(seq=1)
    Store(engine).record(to_messages(first, make_observation(seq=2, at=first.at + timedelta(seconds=1))))
    engine.dispose()
    with EmotionLog("mien.db", zone="Europe/Berlin") as log:
        outcome = doctest.testmod(module, extraglobs={"log": log})
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.usefixtures("writer")
def test_a_log_can_be_read_in_several_time_zones_at_once(log: str) -> None:
    with EmotionLog(log, zone="Asia/Kolkata") as emotion_log:
        in_utc = emotion_log.in_zone("UTC").observations(limit=1)[0]
        in_kolkata = emotion_log.observations(limit=1)[0]
        with pytest.raises(UsageError, match="unknown time zone"):
            emotion_log.in_zone("Mars/Base")
    assert (in_utc.at, in_utc.at.utcoffset()) == (in_kolkata.at, timedelta())
    assert in_kolkata.at.utcoffset() == timedelta(hours=5.5)


@pytest.mark.usefixtures("writer")
def test_pages_together_have_all_observations(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observations_module, "PAGE_ROWS", 3)
    with EmotionLog(log) as emotion_log:
        pages = list(emotion_log.observation_pages())
        assert [len(page) for page in pages] == [3, 3, 3, 1]
        assert [row for page in pages for row in page] == list(emotion_log.observations(limit=None))
        assert emotion_log.observation_count() == 10
        assert [len(page) for page in emotion_log.observation_pages(since="1s")] == [0]
        assert emotion_log.observation_count(since="1s") == 0


GROUPINGS = ["hour", "emotion", "day,emotion", "emotion,weekday", "device,hour,emotion", "minute,model", "hour,device"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu"])
def test_counts_are_those_of_the_rows_also_when_the_clocks_change(log: str, zone: str) -> None:
    random = Random(zone)
    begin = datetime(2025, 10, 25, 22, 7, tzinfo=UTC)
    observations = []
    for number in range(1, 301):
        emotion, confidence = random.choice(EMOTIONS[:4]), random.randrange(3000, 9000) / 10_000
        others = round((1 - confidence) / 6, 4)
        observations.append(
            make_observation(
                seq=number,
                at=begin + timedelta(seconds=random.randrange(6 * 3600)),
                device=random.choice(("attic", "cellar", "hallway")),
                emotion=emotion,
                confidence=confidence,
                scores=Scores(**(dict.fromkeys(EMOTIONS, others) | {emotion: confidence})),
                model=random.choice(("0123456789ab", "ba9876543210")),
            )
        )
    engine = open_for_writing(log)
    Store(engine).record(to_messages(*observations))
    engine.dispose()
    end = begin + timedelta(hours=5)  # both ends are within a quarter of an hour
    with EmotionLog(reading_url(log), zone=zone) as emotion_log:
        for grouping in GROUPINGS:
            by = grouping.split(",")
            confidences: dict[tuple[object, ...], list[float]] = defaultdict(list)
            for row in observations:
                local = row.at.astimezone(ZoneInfo(zone))
                local = local.replace(tzinfo=timezone(local.utcoffset() or timedelta()))
                values = {
                    "minute": local.replace(second=0, microsecond=0),
                    "hour": local.replace(minute=0, second=0, microsecond=0),
                    "day": local.date(),
                    "weekday": f"{local.isoweekday()} {local:%A}",
                    "emotion": row.emotion,
                    "device": row.device,
                    "model": row.model,
                }
                if row.at < end:
                    confidences[tuple(values[name] for name in by)].append(row.confidence)

            def sort_key(item: tuple[tuple[object, ...], list[float]], by: list[str] = by) -> list[object]:
                group = dict(zip(by, item[0], strict=True))
                emotion = group.pop("emotion", "")
                return [*group.values(), -len(item[1]) if emotion else 0, emotion]

            counts = emotion_log.counts(grouping, start=begin, end=end)
            found = [(tuple(getattr(row, name) for name in by), row.observations) for row in counts]
            expected = sorted(confidences.items(), key=sort_key)
            assert found == [(group, len(values)) for group, values in expected], grouping
            means = [sum(values) / len(values) for _, values in expected]
            assert [row.mean_confidence for row in counts] == pytest.approx(means, abs=0.51e-4)
            assert sum(row.share for row in counts) == pytest.approx(1, abs=1e-4 * len(counts))


def test_mien_help_needs_no_database() -> None:
    script = "import sys; from mien.cli import main; main(['--help']); sys.exit('sqlalchemy' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "Usage: mien" in output

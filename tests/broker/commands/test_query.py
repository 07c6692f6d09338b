"""`mien query`: lists, counts, filters, formats and errors, on both databases."""

import csv
import io
import itertools
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from postgresql import reading_url
from samples import make_observation
from sqlalchemy import text

from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.query.aggregate import count_observations
from mien.broker.query.filters import Filter, parse_groups, parse_since, parse_time, parse_timezone
from mien.cli import main
from mien.emotions import EMOTIONS, Emotion
from mien.errors import UsageError
from mien.messages.observation import Observation, Scores, encode_observation

START = datetime(2025, 11, 22, 12, 0, tzinfo=UTC)


def observation(minutes: float, emotion: Emotion, device: str = "hallway", confidence: float = 0.7) -> Observation:
    rest = round((1 - confidence) / 6, 4)
    scores = Scores(**(dict.fromkeys(EMOTIONS, rest) | {emotion: confidence}))
    at = START + timedelta(minutes=minutes)
    return make_observation(at=at, emotion=emotion, scores=scores, confidence=confidence, device=device)


@pytest.fixture
def path(log: str) -> str:
    engine = open_for_writing(log)
    observations = [
        observation(0, "happy", confidence=0.9),
        observation(20, "happy", confidence=0.7),
        observation(59.99, "sad"),
        observation(60, "sad"),
        observation(61, "neutral", device="cellar"),
        observation(12 * 60, "happy", device="cellar"),
    ]
    Store(engine).record(
        [
            decode_message(
                topic="t", payload=encode_observation(sent), received_ms=1_800_000_000_000, device=sent.device
            )
            for sent in observations
        ]
    )
    engine.dispose()
    return log


def query(path: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main(["query", "--db", path, "--timezone", "UTC", "--json", *arguments]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return rows


def test_it_lists_the_newest_observations_oldest_first(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = query(path, capsys, "--limit", "2")
    assert [(row["at"], row["device"], row["emotion"]) for row in rows] == [
        ("2025-11-22T13:01:00.000+00:00", "cellar", "neutral"),
        ("2025-11-23T00:00:00.000+00:00", "cellar", "happy"),
    ]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ([], 6),
        (["--device", "cellar"], 2),
        (["--device", "cellar", "--device", "hallway"], 6),
        (["--emotion", "happy"], 3),
        (["--emotion", "happy", "--emotion", "sad"], 5),
        (["--from", "2025-11-22T13:00"], 3),
        (["--to", "2025-11-22T13:00"], 3),
        (["--from", "2025-11-22T13:00", "--to", "2025-11-23"], 2),
        (["--from", "2025-11-22T14:00+01:00", "--emotion", "sad"], 1),
        (["--since", "1s"], 0),
        (["--since", "5000w"], 6),
    ],
)
def test_filters_select_observations(
    path: str, capsys: pytest.CaptureFixture[str], arguments: list[str], count: int
) -> None:
    assert len(query(path, capsys, *arguments)) == count


def test_it_counts_by_hour_and_emotion(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    noon, one_o_clock = {"hour": "2025-11-22T12:00:00+00:00"}, {"hour": "2025-11-22T13:00:00+00:00"}
    assert query(path, capsys, "--by", "hour,emotion", "--device", "hallway") == [
        noon | {"emotion": "happy", "observations": 2, "share": 0.5, "mean_confidence": 0.8},
        noon | {"emotion": "sad", "observations": 1, "share": 0.25, "mean_confidence": 0.7},
        one_o_clock | {"emotion": "sad", "observations": 1, "share": 0.25, "mean_confidence": 0.7},
    ]


@pytest.mark.parametrize(
    ("zone", "days"),
    [("UTC", {"2025-11-22": 5, "2025-11-23": 1}), ("Asia/Kolkata", {"2025-11-22": 5, "2025-11-23": 1}),
     ("Pacific/Auckland", {"2025-11-23": 6}), ("America/Los_Angeles", {"2025-11-22": 6})],
)  # fmt: skip
def test_days_are_in_the_time_zone(path: str, zone: str, days: dict[str, int]) -> None:
    rows = count_observations(open_for_reading(path), Filter(), by=["day"], zone=ZoneInfo(zone)).rows
    assert {str(row.day): row.observations for row in rows} == days


def test_the_table_explains_what_an_observation_is(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", path, "--by", "emotion"]) == 0
    output = capsys.readouterr().out
    assert output.index("happy") < output.index("sad") < output.index("neutral")
    assert "not one person" in output


def test_an_empty_result_is_a_sentence_an_empty_list_or_a_header(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    empty = ["query", "--db", path, "--since", "1s"]
    assert main(empty) == 0
    assert capsys.readouterr().out == "no observations match\n"
    assert main([*empty, "--csv"]) == 0
    assert capsys.readouterr().out.startswith("at,device,emotion,confidence,angry,")
    assert main([*empty, "--by", "hour,emotion", "--csv"]) == 0
    assert capsys.readouterr().out == "hour,emotion,observations,share,mean_confidence\n"
    assert main([*empty, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_no_text_of_your_sql_becomes_a_formula_in_csv(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    statement = "SELECT '=1+1' AS text, -5 AS number, -2.5 * 1 AS fraction, emotion FROM emotion_log LIMIT 1"
    assert main(["query", "--db", reading_url(path), "--sql", statement, "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("'=1+1,-5,-2.5,")


def test_csv_has_the_same_rows(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", path, "--by", "device,emotion", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["device"], row["emotion"], row["observations"]) for row in rows] == [
        ("cellar", "happy", "1"),
        ("cellar", "neutral", "1"),
        ("hallway", "happy", "2"),
        ("hallway", "sad", "2"),
    ]


def test_the_rollup_and_the_rows_have_the_same_counts(path: str) -> None:
    """A minimum confidence that every row exceeds makes the query read the rows."""
    engine = open_for_reading(path)
    time_ranges = [
        (None, None),
        (0, 60),
        (7, 61.5),
        (59.995, None),
        (None, 59.995),
        (20, 22),
        (1, 2),
        (-600, 900),
        (15, 15),
    ]
    groups = (["hour"], ["emotion", "device"], ["weekday", "emotion"], ["day", "device"])
    filters: tuple[Filter, ...] = (Filter(), Filter(devices=["hallway"]), Filter(emotions=["happy", "sad"]))
    results = set()
    for (start, end), by, base_filter in itertools.product(time_ranges, groups, filters):
        log_filter = replace(base_filter, start=_time(start), end=_time(end))
        from_rollup = count_observations(engine, log_filter, by=by, zone=UTC)
        from_rows = count_observations(engine, replace(log_filter, min_confidence=0.0001), by=by, zone=UTC)
        assert from_rollup.rows == from_rows.rows, (log_filter, by)
        assert from_rollup.source.startswith("quarter-hour counts")
        assert from_rows.source == "rows, because the quarter-hour counts are not broken down by confidence"
        results.add(str(from_rollup.rows))
    assert len(results) > 20


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_hours_and_days_match_the_calendar(path: str, zone: str) -> None:
    """Including zones whose clocks go forward by half an hour, or whose offset is not whole hours."""
    engine, zone_info = open_for_writing(path), ZoneInfo(zone)
    times = [START + timedelta(days=17 * number, minutes=25 * number) for number in range(40)]
    times = [time for time in times if time.minute % 15]
    payloads = [encode_observation(make_observation(at=time, device="attic")) for time in times]
    Store(engine).record(
        [
            decode_message(topic="t", payload=payload, received_ms=1_900_000_000_000, device="attic")
            for payload in payloads
        ]
    )
    engine.dispose()
    attic = Filter(devices=["attic"])
    rows = count_observations(open_for_reading(path), attic, by=["hour", "day", "weekday"], zone=zone_info).rows
    local_times = [time.astimezone(zone_info) for time in times]
    expected = Counter(
        (f"{time:%Y-%m-%dT%H:00:00}", time.date(), f"{time:%u %A}", time.utcoffset()) for time in local_times
    )
    counts = {
        (f"{row.hour:%Y-%m-%dT%H:%M:%S}", row.day, row.weekday, row.hour and row.hour.utcoffset()): row.observations
        for row in rows
    }
    assert counts == expected


def _time(minutes: float | None) -> datetime | None:
    return None if minutes is None else START + timedelta(minutes=minutes)


def test_minutes_weekdays_and_models(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    minutes = query(path, capsys, "--by", "minute", "--device", "hallway", "--emotion", "sad")
    assert [row["minute"] for row in minutes] == ["2025-11-22T12:59:00+00:00", "2025-11-22T13:00:00+00:00"]
    assert [row["weekday"] for row in query(path, capsys, "--by", "weekday")] == ["6 Saturday", "7 Sunday"]
    assert [row["model"] for row in query(path, capsys, "--by", "model")] == ["0123456789ab"]


def test_it_filters_by_capture_model_and_confidence(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open_for_reading(path).connect() as log:
        capture = log.execute(text("SELECT capture FROM emotion_log ORDER BY at LIMIT 1")).scalar_one()
    (row,) = query(path, capsys, "--capture", capture)
    assert row["at"] == "2025-11-22T12:00:00.000+00:00"
    assert len(query(path, capsys, "--min-confidence", "0.8")) == 1
    assert len(query(path, capsys, "--model", "0123456789ab")) == 6


def test_explain_prints_the_source(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, source in (
        (["--by", "hour"], "quarter-hour counts"),
        (["--by", "hour", "--since", "5000w"], "quarter-hour counts, and rows at the ends of the time range"),
        (["--by", "minute"], "rows, because the quarter-hour counts are not broken down by minute"),
        ([], "rows"),
    ):
        assert main(["query", "--db", path, "--explain", *arguments]) == 0
        assert f"source: {source}" in capsys.readouterr().err


def test_ndjson_is_one_object_per_line(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", path, "--format", "ndjson"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 6
    assert {row["device"] for row in rows} == {"hallway", "cellar"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "soon"], "cannot read 'soon' as a duration: write 90s"),
        (["--from", "yesterday"], "cannot read 'yesterday' as a time"),
        (["--by", "mood"], "cannot group by 'mood': choose from minute, hour, day, weekday, emotion"),
        (["--emotion", "contempt"], "unknown emotion 'contempt': choose from angry"),
        (["--timezone", "Mars/Base"], "unknown time zone 'Mars/Base'"),
        (["--timezone", "Europe"], "unknown time zone 'Europe'"),
        (["--from", "0001-01-01", "--timezone", "Asia/Tokyo"], "cannot read '0001-01-01' as a time"),
        (["--since", ""], "cannot read '' as a duration"),
        (["--by", ""], "cannot group by ''"),
        (["--since", "1h", "--from", "2025-11-22"], "use only one of them"),
        (["--csv", "--json"], "use only one of them"),
        (["--format", "json", "--csv"], "use only one of them"),
        (["--format", "xml"], "unknown format 'xml': choose from table, csv, json, ndjson, parquet, arrow"),
        (["--capture", "kitchen"], "'kitchen' is not a capture id"),
        (["--capture", "01939c2e-0000-7000-8000-000000000000"], "the log has no capture 01939c2e"),
        (["--device", "attic"], "the log has no device 'attic': choose from cellar, hallway"),
        (["--model", "ba9876543210"], "the log has no model 'ba9876543210': choose from 0123456789ab"),
        (["--from", "2025-11-22", "--to", "2025-11-21"], "to must be later than from"),
        (["--by", "hour", "--all"], "--by and --all exclude each other"),
        (["--follow", "--csv"], "use --format ndjson"),
        (["--sql", "DELETE FROM observation"], "this SQL cannot be run"),
        (["--sql", "SELECT 1; DELETE FROM observation"], "this SQL cannot be run"),
        (["--sql", "SELECT mood FROM emotion_log"], "this SQL cannot be run"),
        (["--sql", "ATTACH 'other.db' AS other"], "this SQL cannot be run"),
        (["--sql", ""], "this SQL cannot be run"),
    ],
)
def test_invalid_options_are_reported_with_a_hint(
    path: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["query", "--db", reading_url(path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_durations_and_times_are_parsed() -> None:
    assert parse_since("90s", START) == START - timedelta(seconds=90)
    assert parse_since("1.5h", START) == START - timedelta(minutes=90)
    assert parse_since("2w", START) == START - timedelta(days=14)
    assert parse_time("2025-11-22T13:00", ZoneInfo("Europe/Berlin")) == START
    assert parse_timezone(None) is None
    assert parse_groups("hour, emotion") == ["hour", "emotion"]
    with pytest.raises(UsageError):
        parse_since("", START)

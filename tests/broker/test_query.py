import csv
import io
import itertools
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from samples import make_observation
from sqlalchemy import text

from mien.broker.arrival import decode_arrival
from mien.broker.counting import count_observations
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.question import Question, parse_groups, parse_moment, parse_since, parse_zone
from mien.broker.store import Store
from mien.command import main
from mien.emotions import EMOTIONS, Emotion
from mien.errors import UsageError
from mien.observation import Observation, Scores, encode

BEGIN = datetime(2025, 11, 22, 12, 0, tzinfo=UTC)


def seen(minutes: float, emotion: Emotion, device: str = "hallway", confidence: float = 0.7) -> Observation:
    rest = round((1 - confidence) / 6, 4)
    scores = Scores(**(dict.fromkeys(EMOTIONS, rest) | {emotion: confidence}))
    at = BEGIN + timedelta(minutes=minutes)
    return make_observation(at=at, emotion=emotion, scores=scores, confidence=confidence, device=device)


@pytest.fixture
def path(log: str) -> str:
    engine = open_for_writing(log)
    made = [
        seen(0, "happy", confidence=0.9),
        seen(20, "happy", confidence=0.7),
        seen(59.99, "sad"),
        seen(60, "sad"),
        seen(61, "neutral", device="cellar"),
        seen(12 * 60, "happy", device="cellar"),
    ]
    Store(engine).record(
        [
            decode_arrival(topic="t", payload=encode(one), received_ms=1_800_000_000_000, device=one.device)
            for one in made
        ]
    )
    engine.dispose()
    return log


def query(path: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main(["query", "--db", path, "--timezone", "UTC", "--json", *arguments]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return rows


def test_it_lists_the_newest_in_the_order_of_time(path: str, capsys: pytest.CaptureFixture[str]) -> None:
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
def test_filters_narrow_the_log(
    path: str, capsys: pytest.CaptureFixture[str], arguments: list[str], count: int
) -> None:
    assert len(query(path, capsys, *arguments)) == count


def test_it_counts_by_hour_and_emotion(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    noon, one = {"hour": "2025-11-22T12:00:00+00:00"}, {"hour": "2025-11-22T13:00:00+00:00"}
    assert query(path, capsys, "--by", "hour,emotion", "--device", "hallway") == [
        noon | {"emotion": "happy", "observations": 2, "share": 0.5, "mean_confidence": 0.8},
        noon | {"emotion": "sad", "observations": 1, "share": 0.25, "mean_confidence": 0.7},
        one | {"emotion": "sad", "observations": 1, "share": 0.25, "mean_confidence": 0.7},
    ]


@pytest.mark.parametrize(
    ("zone", "days"),
    [("UTC", {"2025-11-22": 5, "2025-11-23": 1}), ("Asia/Kolkata", {"2025-11-22": 5, "2025-11-23": 1}),
     ("Pacific/Auckland", {"2025-11-23": 6}), ("America/Los_Angeles", {"2025-11-22": 6})],
)  # fmt: skip
def test_days_are_those_of_the_time_zone(path: str, zone: str, days: dict[str, int]) -> None:
    rows = count_observations(open_for_reading(path), Question(), by=["day"], zone=ZoneInfo(zone)).rows
    assert {str(row["day"]): row["observations"] for row in rows} == days


def test_the_table_says_what_an_observation_is(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", path, "--by", "emotion"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("happy") < shown.index("sad") < shown.index("neutral")
    assert "not one person" in shown


def test_an_empty_answer_is_a_sentence_an_empty_list_or_a_header(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = ["query", "--db", path, "--since", "1s"]
    assert main(nothing) == 0
    assert capsys.readouterr().out == "no observations match\n"
    assert main([*nothing, "--csv"]) == 0
    assert capsys.readouterr().out.startswith("at,device,emotion,confidence,angry,")
    assert main([*nothing, "--by", "hour,emotion", "--csv"]) == 0
    assert capsys.readouterr().out == "hour,emotion,observations,share,mean_confidence\n"
    assert main([*nothing, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_csv_has_the_same_rows(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", path, "--by", "device,emotion", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["device"], row["emotion"], row["observations"]) for row in rows] == [
        ("cellar", "happy", "1"),
        ("cellar", "neutral", "1"),
        ("hallway", "happy", "2"),
        ("hallway", "sad", "2"),
    ]


def test_the_rollup_and_the_rows_give_the_same_answer(path: str) -> None:
    """A floor of confidence that every row passes has the rows asked."""
    engine = open_for_reading(path)
    ends = [(None, None), (0, 60), (7, 61.5), (59.995, None), (None, 59.995), (20, 22), (1, 2), (-600, 900), (15, 15)]
    groups = (["hour"], ["emotion", "device"], ["weekday", "emotion"], ["day", "device"])
    asked: tuple[Question, ...] = (Question(), Question(devices=["hallway"]), Question(emotions=["happy", "sad"]))
    answers = set()
    for (begin, end), by, about in itertools.product(ends, groups, asked):
        question = replace(about, begin=_after(begin), end=_after(end))
        kept = count_observations(engine, question, by=by, zone=UTC)
        counted = count_observations(engine, replace(question, least_confidence=0.0001), by=by, zone=UTC)
        assert kept.rows == counted.rows, (question, by)
        assert kept.source.startswith("the counts by quarters of an hour")
        assert counted.source == "the rows, since the counts kept do not know a confidence"
        answers.add(str(kept.rows))
    assert len(answers) > 20


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_hours_and_days_are_those_of_a_calendar(path: str, zone: str) -> None:
    """Also where clocks go half an hour forward, or are a quarter of an hour apart from others."""
    engine, here = open_for_writing(path), ZoneInfo(zone)
    moments = [BEGIN + timedelta(days=17 * number, minutes=25 * number) for number in range(40)]
    moments = [moment for moment in moments if moment.minute % 15]
    made = [make_observation(at=moment, device="attic") for moment in moments]
    Store(engine).record(
        [decode_arrival(topic="t", payload=encode(one), received_ms=1_900_000_000_000, device="attic") for one in made]
    )
    engine.dispose()
    asked = Question(devices=["attic"])
    rows = count_observations(open_for_reading(path), asked, by=["hour", "day", "weekday"], zone=here).rows
    local = [moment.astimezone(here) for moment in moments]
    wanted = Counter(
        (f"{moment:%Y-%m-%dT%H:00:00}", moment.date(), f"{moment:%u %A}", moment.utcoffset()) for moment in local
    )
    found = {
        (f"{row['hour']:%Y-%m-%dT%H:%M:%S}", row["day"], row["weekday"], row["hour"].utcoffset()): row["observations"]
        for row in rows
    }
    assert found == wanted


def _after(minutes: float | None) -> datetime | None:
    return None if minutes is None else BEGIN + timedelta(minutes=minutes)


def test_minutes_weekdays_and_models(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    minutes = query(path, capsys, "--by", "minute", "--device", "hallway", "--emotion", "sad")
    assert [row["minute"] for row in minutes] == ["2025-11-22T12:59:00+00:00", "2025-11-22T13:00:00+00:00"]
    assert [row["weekday"] for row in query(path, capsys, "--by", "weekday")] == ["6 Saturday", "7 Sunday"]
    assert [row["model"] for row in query(path, capsys, "--by", "model")] == ["0123456789ab"]


def test_rows_of_a_capture_of_a_model_and_of_some_confidence(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open_for_reading(path).connect() as log:
        capture = log.execute(text("SELECT capture FROM emotion_log ORDER BY at LIMIT 1")).scalar_one()
    (row,) = query(path, capsys, "--capture", capture)
    assert row["at"] == "2025-11-22T12:00:00.000+00:00"
    assert len(query(path, capsys, "--confidence", "0.8")) == 1
    assert len(query(path, capsys, "--model", "0123456789ab")) == 6


def test_explain_says_where_an_answer_is_from(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, source in (
        (["--by", "hour"], "the counts by quarters of an hour"),
        (["--by", "hour", "--since", "5000w"], "the counts by quarters of an hour, and the rows of those cut by"),
        (["--by", "minute"], "the rows, since the counts kept do not know minute"),
        ([], "the rows"),
    ):
        assert main(["query", "--db", path, "--explain", *arguments]) == 0
        assert f"answered from {source}" in capsys.readouterr().err


def test_ndjson_is_a_line_for_each(path: str, capsys: pytest.CaptureFixture[str]) -> None:
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
        (["--emotion", "contempt"], "there is no emotion 'contempt': choose from angry"),
        (["--timezone", "Mars/Base"], "there is no time zone 'Mars/Base'"),
        (["--timezone", "Europe"], "there is no time zone 'Europe'"),
        (["--from", "0001-01-01", "--timezone", "Asia/Tokyo"], "cannot read '0001-01-01' as a time"),
        (["--since", ""], "cannot read '' as a duration"),
        (["--by", ""], "cannot group by ''"),
        (["--since", "1h", "--from", "2025-11-22"], "give one of them"),
        (["--csv", "--json"], "give one of them"),
        (["--format", "json", "--csv"], "give one of them"),
        (["--format", "xml"], "there is no format 'xml': choose from table, csv, json, ndjson, parquet, arrow"),
        (["--capture", "kitchen"], "'kitchen' is no capture"),
        (["--capture", "01939c2e-0000-7000-8000-000000000000"], "there is no capture 01939c2e"),
        (["--device", "attic"], "there is no device 'attic' in the log: it knows cellar, hallway"),
        (["--model", "ba9876543210"], "there is no model 'ba9876543210' in the log: it knows 0123456789ab"),
        (["--from", "2025-11-22", "--to", "2025-11-21"], "to must be later than from"),
        (["--by", "hour", "--all"], "--by and --all are different questions"),
        (["--follow", "--csv"], "write --format ndjson"),
        (["--sql", "DELETE FROM observation"], "the log does not answer this SQL"),
        (["--sql", "SELECT 1; DELETE FROM observation"], "the log does not answer this SQL"),
        (["--sql", "SELECT mood FROM emotion_log"], "the log does not answer this SQL"),
        (["--sql", "ATTACH 'other.db' AS other"], "the log does not answer this SQL"),
        (["--sql", ""], "the log does not answer this SQL"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_with_the_cure(
    path: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["query", "--db", path, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_durations_and_moments() -> None:
    assert parse_since("90s", BEGIN) == BEGIN - timedelta(seconds=90)
    assert parse_since("1.5h", BEGIN) == BEGIN - timedelta(minutes=90)
    assert parse_since("2w", BEGIN) == BEGIN - timedelta(days=14)
    assert parse_moment("2025-11-22T13:00", ZoneInfo("Europe/Berlin")) == BEGIN
    assert parse_zone(None) is None
    assert parse_groups("hour, emotion") == ["hour", "emotion"]
    with pytest.raises(UsageError):
        parse_since("", BEGIN)

"""Grafana's provisioned files, and each query of its dashboard on both databases, with macros replaced as it does."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from samples import make_observation
from sqlalchemy import text

from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.deploy.server.folder import ServerFolder
from mien.deploy.server.grafana import DATA_SOURCES, grafana_dashboard
from mien.emotions import EMOTIONS, Emotion
from mien.messages.observation import Observation, Scores, encode_observation

BEGIN = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
DEVICES = ("cellar", "hallway")
RunQuery = Callable[..., list[dict[str, Any]]]


def make_observations() -> list[Observation]:
    observations = []
    for number in range(60):
        emotion: Emotion = EMOTIONS[number % 3]
        scores = Scores(**(dict.fromkeys(EMOTIONS, 0.05) | {emotion: 0.7}))
        at = BEGIN + timedelta(minutes=7 * number)
        observations.append(make_observation(at=at, device=DEVICES[number % 2], emotion=emotion, scores=scores))
    return observations


def replace_macros(sql: str, begin: datetime, end: datetime, devices: tuple[str, ...]) -> str:
    """SQL as Grafana sends it (its documentation, "Global variables" and "Advanced variable format options")."""
    values = {
        "$__from": str(round(begin.timestamp() * 1000)),
        "$__to": str(round(end.timestamp() * 1000)),
        "${device:sqlstring}": ",".join("'" + name.replace("'", "''") + "'" for name in devices),
        "${utc_offset:sqlstring}": "'0'",
    }
    for macro, value in values.items():
        sql = sql.replace(macro, value)
    assert "$" not in sql, sql
    return sql


def panel_queries(database: str) -> dict[str, str]:
    """SQL by the panel's title."""
    key = {"sqlite": "queryText", "postgresql": "rawSql"}[database]
    panels = grafana_dashboard(database)["panels"]
    return {panel["title"]: target[key] for panel in panels for target in panel.get("targets", ())}


@pytest.fixture
def run_query(log: str) -> RunQuery:
    """Runs a panel's query on a log of sixty observations, for a time range and devices."""
    engine = open_for_writing(log)
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    Store(engine).record(
        [
            decode_message(
                topic="t", payload=encode_observation(observation), received_ms=now_ms, device=observation.device
            )
            for observation in make_observations()
        ]
    )
    engine.dispose()
    database = "sqlite" if log.endswith(".db") else "postgresql"

    def run(
        title: str, *devices: str, begin: datetime = BEGIN, end: datetime = BEGIN + timedelta(days=2)
    ) -> list[dict[str, Any]]:
        sql = replace_macros(panel_queries(database)[title], begin, end, devices or DEVICES)
        with open_for_reading(log).connect() as connection:
            return [dict(row) for row in connection.execute(text(sql.replace(":", r"\:"))).mappings()]

    return run


def hour_s(at: datetime) -> int:
    """The start of its hour, in seconds since 1970."""
    return round(at.replace(minute=0, second=0).timestamp())


def test_hours_and_emotions_are_counted(run_query: RunQuery) -> None:
    observations = make_observations()
    expected = Counter((hour_s(observation.at), observation.emotion) for observation in observations)
    rows = run_query("Observations by hour")
    assert {(row["time"], row["emotion"]): int(row["observations"]) for row in rows} == expected
    expected = Counter(
        (hour_s(observation.at), observation.emotion) for observation in observations if observation.device == "cellar"
    )
    rows = run_query("Observations by hour", "cellar")
    assert {(row["time"], row["emotion"]): int(row["observations"]) for row in rows} == expected
    begin, end = BEGIN + timedelta(hours=2, minutes=10), BEGIN + timedelta(hours=4, minutes=30)
    rows = run_query("Observations by hour", begin=begin, end=end)
    assert {row["time"] for row in rows} == {hour_s(begin) + 3600 * number for number in range(3)}


def test_devices_are_counted_and_shown_with_their_last_observation(run_query: RunQuery) -> None:
    counts = {row["device"]: int(row["observations"]) for row in run_query("Observations by device")}
    assert counts == dict.fromkeys(DEVICES, 30)
    last = {observation.device: observation for observation in make_observations()}
    shown = {row["device"]: (row["emotion"], float(row["confidence"]), int(row["time"])) for row in run_query("Now")}
    assert shown == {
        name: (observation.emotion, 0.7, int(observation.at.timestamp())) for name, observation in last.items()
    }
    assert [row["device"] for row in run_query("Now", "hallway")] == ["hallway"]


def test_confidence_and_weekdays(run_query: RunQuery) -> None:
    rows = run_query("Mean confidence by hour")
    assert {round(float(row["confidence"]), 4) for row in rows} == {0.7}
    expected = Counter((observation.at.hour, observation.at.weekday()) for observation in make_observations())
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    row_of_hour = {int(row["hour"]): row for row in run_query("Observations by weekday and hour of day")}
    counts = {
        (hour, weekday): int(row_of_hour[hour][day])
        for hour, (weekday, day) in itertools.product(row_of_hour, enumerate(days))
    }
    assert {cell: count for cell, count in counts.items() if count} == expected


def test_a_device_s_name_is_a_string_and_never_sql(run_query: RunQuery) -> None:
    for title in panel_queries("sqlite"):
        assert run_query(title, "x') OR 1=1 --") == [] or title.startswith("Observations by weekday")
    for database in DATA_SOURCES:
        for sql in panel_queries(database).values():
            assert set(re.findall(r"\$\{device[^}]*\}", sql)) == {"${device:sqlstring}"}


@pytest.mark.parametrize("database", DATA_SOURCES)
def test_the_provisioned_files_refer_to_what_exists(server: ServerFolder, database: str) -> None:
    folder = server.path / "grafana" / database
    (source,) = yaml.safe_load((folder / "datasources" / "mien.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "mien.yaml").read_text())["providers"]
    dashboard = json.loads((Path(provider["options"]["path"]) / "mien.json").read_text())
    assert dashboard == grafana_dashboard(database)
    source_type = DATA_SOURCES[database][0]
    panels = [panel for panel in dashboard["panels"] if "targets" in panel]
    assert all(panel["datasource"] == {"type": source_type, "uid": source["uid"]} for panel in panels)
    assert source["type"] == source_type
    if database == "postgresql":
        secret = re.fullmatch(r"\$__file\{(.+)\}", source["secureJsonData"]["password"])
        assert secret is not None
        assert Path(secret[1]).stat().st_mode & 0o077 == 0
        assert Path(source["jsonData"]["sslRootCertFile"]).exists()
    else:
        assert Path(source["jsonData"]["path"]).parent.is_dir()
        assert source["jsonData"]["pathOptions"] == "mode=ro"

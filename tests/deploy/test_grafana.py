"""Grafana's provisioned files, and each question of its dashboard on both stores, with macros filled in as it would."""

import itertools
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from samples import make_observation
from sqlalchemy import text

from mien.broker.arrival import decode_arrival
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.store import Store
from mien.deploy.grafana import STORES, dashboard
from mien.deploy.server import ServerFolder
from mien.emotions import EMOTIONS, Emotion
from mien.observation import Observation, Scores, encode

BEGIN = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
DEVICES = ("cellar", "hallway")


def observations() -> list[Observation]:
    made = []
    for number in range(60):
        emotion: Emotion = EMOTIONS[number % 3]
        scores = Scores(**(dict.fromkeys(EMOTIONS, 0.05) | {emotion: 0.7}))
        at = BEGIN + timedelta(minutes=7 * number)
        made.append(make_observation(at=at, device=DEVICES[number % 2], emotion=emotion, scores=scores))
    return made


def filled(sql: str, begin: datetime, end: datetime, devices: tuple[str, ...]) -> str:
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


def questions(store: str) -> dict[str, str]:
    """SQL by the panel's title."""
    key = {"sqlite": "queryText", "postgresql": "rawSql"}[store]
    return {panel["title"]: target[key] for panel in dashboard(store)["panels"] for target in panel.get("targets", ())}


@pytest.fixture
def ask(log: str) -> Any:
    """Asks a log of sixty observations a panel's question, about a span of time and devices."""
    engine = open_for_writing(log)
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    Store(engine).record(
        [
            decode_arrival(topic="t", payload=encode(one), received_ms=now_ms, device=one.device)
            for one in observations()
        ]
    )
    engine.dispose()
    store = "sqlite" if log.endswith(".db") else "postgresql"

    def asked(
        title: str, *devices: str, begin: datetime = BEGIN, end: datetime = BEGIN + timedelta(days=2)
    ) -> list[dict[str, Any]]:
        sql = filled(questions(store)[title], begin, end, devices or DEVICES)
        with open_for_reading(log).connect() as connection:
            return [dict(row) for row in connection.execute(text(sql.replace(":", r"\:"))).mappings()]

    return asked


def hour(at: datetime) -> int:
    return round(at.replace(minute=0, second=0).timestamp())


def test_hours_and_emotions_are_counted(ask: Any) -> None:
    wanted = Counter((hour(one.at), one.emotion) for one in observations())
    rows = ask("Observations by hour")
    assert {(row["time"], row["emotion"]): int(row["observations"]) for row in rows} == wanted
    alone = Counter((hour(one.at), one.emotion) for one in observations() if one.device == "cellar")
    rows = ask("Observations by hour", "cellar")
    assert {(row["time"], row["emotion"]): int(row["observations"]) for row in rows} == alone
    begin, end = BEGIN + timedelta(hours=2, minutes=10), BEGIN + timedelta(hours=4, minutes=30)
    rows = ask("Observations by hour", begin=begin, end=end)
    assert {row["time"] for row in rows} == {hour(begin) + 3600 * number for number in range(3)}


def test_devices_are_counted_and_shown_as_they_last_were(ask: Any) -> None:
    assert {row["device"]: int(row["observations"]) for row in ask("Observations by device")} == dict.fromkeys(
        DEVICES, 30
    )
    newest = {one.device: one for one in observations()}
    now = {row["device"]: (row["emotion"], float(row["confidence"]), int(row["time"])) for row in ask("Now")}
    assert now == {name: (one.emotion, 0.7, int(one.at.timestamp())) for name, one in newest.items()}
    assert [row["device"] for row in ask("Now", "hallway")] == ["hallway"]


def test_confidence_and_weekdays(ask: Any) -> None:
    rows = ask("Mean confidence by hour")
    assert {round(float(row["confidence"]), 4) for row in rows} == {0.7}
    wanted = Counter((one.at.hour, one.at.weekday()) for one in observations())
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    rows = {int(row["hour"]): row for row in ask("Observations by weekday and hour of day")}
    counted = {
        (clock, weekday): int(rows[clock][day]) for clock, (weekday, day) in itertools.product(rows, enumerate(days))
    }
    assert {cell: count for cell, count in counted.items() if count} == wanted


def test_a_device_s_name_is_a_word_and_never_sql(ask: Any) -> None:
    for title in questions("sqlite"):
        assert ask(title, "x') OR 1=1 --") == [] or title.startswith("Observations by weekday")
    for store in STORES:
        for sql in questions(store).values():
            assert set(re.findall(r"\$\{device[^}]*\}", sql)) == {"${device:sqlstring}"}


@pytest.mark.parametrize("store", STORES)
def test_what_is_provisioned_names_what_is_there(folder: ServerFolder, store: str) -> None:
    place = folder.path / "grafana" / store
    (source,) = yaml.safe_load((place / "datasources" / "mien.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((place / "dashboards" / "mien.yaml").read_text())["providers"]
    shown = json.loads((Path(provider["options"]["path"]) / "mien.json").read_text())
    assert shown == dashboard(store)
    kind = STORES[store][0]
    panels = [panel for panel in shown["panels"] if "targets" in panel]
    assert all(panel["datasource"] == {"type": kind, "uid": source["uid"]} for panel in panels)
    assert source["type"] == kind
    if store == "postgresql":
        secret = re.fullmatch(r"\$__file\{(.+)\}", source["secureJsonData"]["password"])
        assert secret is not None
        assert Path(secret[1]).stat().st_mode & 0o077 == 0
        assert Path(source["jsonData"]["sslRootCertFile"]).exists()
    else:
        assert Path(source["jsonData"]["path"]).parent.is_dir()
        assert source["jsonData"]["pathOptions"] == "mode=ro"

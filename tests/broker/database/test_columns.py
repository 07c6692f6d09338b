"""Every column of the registry reaches every surface: table, view, listing, exports, import, HTTP API, documents."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, get_type_hints
from uuid import uuid4

import msgspec
import pyarrow as pa
import pytest
import yaml
from fastapi.testclient import TestClient
from pyarrow import parquet
from samples import make_observation
from sqlalchemy import inspect, select, text

from mien.broker.database import schema
from mien.broker.database.columns import COLUMNS, SHORT_TABLE, ObservationRow, format_columns
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.broker.query.filters import FilterOptions
from mien.broker.web.api_models import FilterParameters
from mien.broker.web.app import create_app
from mien.cli import main
from mien.emotions import EMOTIONS
from mien.messages.observation import Observation, Scores, encode_observation

ROOT = Path(__file__).parents[3]
NAMES = [column.name for column in COLUMNS]
RECEIVED_MS = 1_800_000_000_123
ARROW_TYPES = {
    datetime: pa.timestamp("ms", tz="UTC"),
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
}
SENT = make_observation(
    uuid4(),
    seq=9,
    scores=Scores(angry=0.01, disgust=0.02, fear=0.03, happy=0.04, sad=0.05, surprise=0.5, neutral=0.35),
    emotion="surprise",
    confidence=0.5,
    track=3,
    frames=7,
    box=(0.1, 0.2, 0.3, 0.4),
    latency_ms=41,
    clock="unsynced",
    agent="1.2.3",
)
"""An observation whose values all differ."""
OTHER = make_observation(at=SENT.at + timedelta(hours=1), device="cellar", model="ba9876543210", confidence=0.7)


def expected_values(observation: Observation) -> dict[str, Any]:
    """What each column must show, from the message."""
    message = msgspec.to_builtins(observation)
    message |= message["scores"] | dict(
        zip(("box_left", "box_top", "box_width", "box_height"), message["box"], strict=True)
    )
    times = {"at": observation.at, "received": datetime.fromtimestamp(RECEIVED_MS / 1000, UTC)}
    return {name: times.get(name, message.get(name)) for name in NAMES}


EXPECTED = expected_values(SENT)


def with_times(row: dict[str, Any]) -> dict[str, Any]:
    """A row of text or JSON with its times parsed."""
    return row | {name: datetime.fromisoformat(row[name]) for name in ("at", "received")}


def store(name: str, *observations: Observation) -> None:
    engine = open_for_writing(name)
    Store(engine).record(
        [
            decode_message(topic="t", payload=encode_observation(sent), received_ms=RECEIVED_MS, device=sent.device)
            for sent in observations
        ]
    )
    engine.dispose()


@pytest.fixture
def stored(log: str) -> str:
    """A log with one observation."""
    store(log, SENT)
    return log


@pytest.fixture
def export(stored: str, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[[str], bytes]:
    def export(output_format: str) -> bytes:
        assert main(["query", "--db", stored, "--all", "--timezone", "UTC", "--format", output_format]) == 0
        return capfdbinary.readouterr().out

    return export


def test_the_registry_describes_every_column() -> None:
    assert list(ObservationRow.__struct_fields__) == NAMES
    assert set(EMOTIONS) < set(NAMES)
    assert None not in EXPECTED.values()
    assert len(set(map(str, EXPECTED.values()))) == len(NAMES) - 1  # the confidence is one of the scores
    for column in COLUMNS:
        assert f"| `{column.name}` |" in format_columns()


def test_the_table_stores_every_column(stored: str) -> None:
    engine = open_for_reading(stored)
    physical = {column["name"]: column for column in inspect(engine).get_columns("observation")}
    assert list(physical) == ["key", *(column.stored_as for column in COLUMNS)]
    assert not any(column["nullable"] for column in physical.values())
    with engine.connect() as connection:
        for column in COLUMNS:
            observation, lookup_tables = schema.observation, schema.lookup_tables
            cell = lookup_tables[column.name].c.name if column.is_lookup else observation.c[column.stored_as]
            stored_value = connection.execute(select(cell)).scalar_one()
            assert column.encoding.decode([stored_value], UTC) == [EXPECTED[column.name]], column.name


def test_the_view_shows_every_column(stored: str) -> None:
    with open_for_reading(stored).connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM emotion_log")).mappings()
    assert list(row) == NAMES
    assert with_times(dict(row)) == EXPECTED


def test_the_listing_has_every_column_with_its_type(stored: str) -> None:
    with EmotionLog(stored, zone="UTC") as log:
        (row,) = log.observations()
    assert row.to_dict() == EXPECTED
    for column in COLUMNS:
        assert type(getattr(row, column.name)) is column.value_type, column.name


def test_every_export_has_every_column(export: Callable[[str], bytes]) -> None:
    (csv_row,) = csv.DictReader(io.StringIO(export("csv").decode()))
    types = {column.name: column.value_type for column in COLUMNS}
    assert list(csv_row) == NAMES
    assert {
        name: datetime.fromisoformat(cell) if types[name] is datetime else types[name](cell)
        for name, cell in csv_row.items()
    } == EXPECTED
    for line in (json.loads(export("json"))[0], json.loads(export("ndjson"))):
        assert list(line) == NAMES
        assert with_times(line) == EXPECTED
    for table in (pa.ipc.open_stream(export("arrow")).read_all(), parquet.read_table(io.BytesIO(export("parquet")))):
        assert {field.name: field.type for field in table.schema} == {
            name: ARROW_TYPES[value_type] for name, value_type in types.items()
        }
        assert table.to_pylist() == [EXPECTED]


def test_an_export_is_imported_with_every_column(export: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / "log.ndjson").write_bytes(export("ndjson"))
    assert main(["import", str(tmp_path / "log.ndjson"), "--db", str(tmp_path / "other.db")]) == 0
    with EmotionLog(tmp_path / "other.db", zone="UTC") as log:
        assert [row.to_dict() for row in log.observations()] == [EXPECTED]


def test_the_http_api_serves_and_describes_every_column(stored: str) -> None:
    with EmotionLog(stored, zone="UTC") as log, TestClient(create_app(log), base_url="http://127.0.0.1") as client:
        (row,) = client.get("/api/observations").json()["observations"]
        model = client.get("/openapi.json").json()["components"]["schemas"]["Observation"]
    assert list(row) == NAMES
    assert with_times(row) == EXPECTED
    assert list(model["properties"]) == model["required"] == NAMES


def test_the_short_table_has_the_columns_that_fit_on_a_terminal(
    stored: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", "--db", stored]) == 0
    output = capsys.readouterr().out
    header = next(line for line in output.splitlines() if "confidence" in line)
    assert [cell.strip() for cell in header.strip("┃").split("┃")] == list(SHORT_TABLE)


FILTERS: dict[str, tuple[object, Observation]] = {
    "devices": ([SENT.device], SENT),
    "emotions": ([SENT.emotion], SENT),
    "capture": (str(SENT.capture), SENT),
    "model": (SENT.model, SENT),
    "end": (OTHER.at, SENT),
    "start": (OTHER.at, OTHER),
    "since": (f"{(datetime.now(UTC) - OTHER.at).total_seconds() + 600}s", OTHER),
    "min_confidence": (0.6, OTHER),
}
"""For each filter, a value that selects only one of both observations."""


def test_a_filter_selects_by_its_column(log: str) -> None:
    store(log, SENT, OTHER)
    with EmotionLog(log) as emotion_log:
        for column in COLUMNS:
            for name in column.filters:
                value, selected = FILTERS[name]
                rows = emotion_log.observations(**{name: value})  # type: ignore[arg-type]
                assert [row.id for row in rows] == [str(selected.id)], name


def test_every_filter_belongs_to_a_column() -> None:
    filters = sorted(name for column in COLUMNS for name in column.filters)
    assert filters == sorted(get_type_hints(FilterOptions))
    assert filters == sorted(FilterParameters.model_validate({}).filter_options())


def test_the_documentation_has_the_table() -> None:
    document = (ROOT / "docs" / "observations.md").read_text(encoding="utf-8")
    assert format_columns() in document, "paste mien.broker.database.columns.format_columns() into docs/observations.md"


def test_datasette_describes_every_column() -> None:
    metadata = yaml.safe_load((files("mien.deploy.server") / "datasette.yaml").read_text())
    assert list(metadata["databases"]["mien"]["tables"]["emotion_log"]["columns"]) == NAMES


SCRIPT = """
import io
import json
from samples import make_observation
from mien.broker.admin.exported_rows import read_rows
from mien.broker.admin.import_log import import_rows
from mien.broker.database.columns import format_columns
from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.broker.query.export import export_pages
from mien.broker.web.app import create_app
from mien.messages.observation import encode_observation

payload = encode_observation(make_observation(sharpness=0.25))
message = decode_message(topic="t", payload=payload, received_ms=1_800_000_000_000, device="hallway")
Store(open_for_writing("mien.db")).record([message])
with EmotionLog("mien.db") as log:
    (row,) = log.observations()
    view = log.sql("SELECT sharpness FROM emotion_log")
    line = json.dumps({**row.to_dict(), "at": row.at.isoformat(), "received": row.received.isoformat()}).encode()
    import_rows(open_for_writing("other.db"), read_rows(io.BytesIO(line), "file"), "file")
    with EmotionLog("other.db") as other:
        imported = other.observations()
    properties = create_app(log).openapi()["components"]["schemas"]["Observation"]["properties"]
    frame = log.observations().to_arrow()
    print(row.sharpness, view[0]["sharpness"], imported[0].sharpness, frame["sharpness"][0].as_py())
    print("sharpness" in properties, "| `sharpness` | float | How sharp" in format_columns())
    export_pages([log.observations()], "csv")
"""


def test_a_column_is_added_with_one_entry(tmp_path: Path) -> None:
    """Besides the message's field and the migration: in a copy of the package, which a new process imports."""
    package = tmp_path / "mien"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "mien", package, ignore=ignored)
    shutil.copytree(ROOT / "broker", package / "broker", ignore=ignored)
    additions = {
        "messages/observation.py": ("    latency_ms: ", "    sharpness: UnitInterval\n"),
        "broker/database/columns.py": (
            "    latency_ms: ",
            '    sharpness: Annotated[UnitInterval, Column(FRACTION)]\n    """How sharp the face is."""\n',
        ),
        "broker/database/migrations/versions/v1_first_schema.py": (
            '        sa.Column("latency_ms"',
            '        sa.Column("sharpness", sa.SmallInteger, nullable=False),\n',
        ),
    }
    for name, (before, addition) in additions.items():
        source = (package / name).read_text(encoding="utf-8")
        assert source.count(before) == 1
        (package / name).write_text(source.replace(before, addition + before), encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'tests' / 'support'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    values, flags, header, line = process.stdout.splitlines()
    assert (values, flags) == ("0.25 0.25 0.25 0.25", "True True")
    assert dict(zip(header.split(","), line.split(","), strict=True))["sharpness"] == "0.25"

"""SQL in the filters of `mien dashboard` and `mien query` is a value like any other."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from dashboard_process import DashboardProcess
from samples import make_observation

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.messages.observation import encode_observation

ATTACKS = (
    "hallway' OR '1'='1",
    "x'; DROP TABLE observation; --",
    'x" UNION SELECT name FROM device --',
    "%' --",
    "\\'; --",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of one observation."""
    folder = tmp_path_factory.mktemp("log")
    payload = encode_observation(make_observation())
    message = decode_message(
        topic="mien/hallway/observation", payload=payload, received_ms=1_800_000_000_000, device="hallway"
    )
    engine = open_for_writing(folder / "mien.db")
    assert Store(engine).record([message]).stored == 1
    engine.dispose()
    return folder


@pytest.fixture(scope="module")
def dashboard(folder: Path) -> Iterator[DashboardProcess]:
    with DashboardProcess(folder) as process:
        yield process


def check_unchanged(folder: Path) -> None:
    report = check_log(open_for_reading(str(folder / "mien.db")))
    assert not any(report.problems.values())
    with EmotionLog(folder / "mien.db") as log:
        assert len(log.sql("SELECT device FROM emotion_log")) == 1


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "parameter", ["device", "emotion", "model", "capture", "start", "after", "timezone", "min_confidence"]
)
def test_no_parameter_of_the_api_reaches_the_database_as_sql(
    folder: Path, dashboard: DashboardProcess, parameter: str, attack: str
) -> None:
    response = httpx.get(f"{dashboard.url}/api/observations", params={parameter: attack, "limit": 5}, timeout=20)
    assert 400 <= response.status_code < 500 or response.json()["observations"] == []
    check_unchanged(folder)


@pytest.mark.parametrize("option", ["--device", "--emotion", "--model"])
def test_no_option_of_query_reaches_the_database_as_sql(folder: Path, option: str) -> None:
    command = [sys.executable, "-m", "mien", "query", "--db", str(folder / "mien.db"), option, ATTACKS[1]]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode in (0, 2), process.stderr
    assert "Traceback" not in process.stderr
    assert "hallway" not in process.stdout
    check_unchanged(folder)

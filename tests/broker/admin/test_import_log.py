"""The output of `mien query --all --format ndjson` is imported, each observation once, on SQLite and PostgreSQL."""

import json
from pathlib import Path

import pytest
from samples import make_observation
from sqlalchemy import Engine, text
from uuid6 import uuid7

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.retention import START, Position
from mien.broker.ingest.store import Store
from mien.cli import main
from mien.messages.observation import encode_observation

RECEIVED_MS = 1_800_000_000_000
COUNT = 1234


@pytest.fixture
def exported(log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """All observations of a log, as a file."""
    outbox = uuid7()
    observations = [make_observation(outbox, seq, latency_ms=seq, track=1 + seq % 3) for seq in range(1, COUNT + 1)]
    Store(open_for_writing(log)).record(
        [
            decode_message(
                topic="t",
                payload=encode_observation(observation),
                received_ms=RECEIVED_MS + observation.seq,
                device="hallway",
            )
            for observation in observations
        ]
    )
    assert main(["query", "--db", log, "--all", "--format", "ndjson", "--timezone", "Asia/Kolkata"]) == 0
    file = tmp_path / "log.ndjson"
    file.write_text(capsys.readouterr().out)
    return file


def rows(name: str) -> list[tuple[object, ...]]:
    with open_for_reading(name).connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT * FROM emotion_log ORDER BY id"))]


def counts(name: str) -> list[tuple[object, ...]]:
    with open_for_reading(name).connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT * FROM emotion_counts ORDER BY at, emotion"))]


def delete_all(engine: Engine) -> None:
    position: Position | None = START
    while position:
        position = Store(engine).delete_before(RECEIVED_MS * 2, position).next_position
    engine.dispose()


def test_a_new_log_gets_all_observations(
    log: str, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(tmp_path / "other.db")
    assert main(["import", str(exported), "--db", other]) == 0
    assert capsys.readouterr().out == f"{COUNT} stored, 0 already in the log\n"
    original, imported = rows(log), rows(other)
    if not log.endswith(".db"):  # SQLite and PostgreSQL round some numbers differently
        original, imported = ([(*row[:3], *row[-7:-1]) for row in table] for table in (original, imported))
    assert original == imported
    assert len(original) == COUNT


def test_known_observations_are_not_duplicated(log: str, exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = counts(log)
    assert main(["import", str(exported), "--db", log]) == 0
    assert capsys.readouterr().out == f"0 stored, {COUNT} already in the log\n"
    assert counts(log) == before


def test_rows_that_retention_deleted_are_restored_and_counted_once(
    log: str, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(log), counts(log)
    delete_all(open_for_writing(log))
    assert rows(log) == []
    assert main(["import", str(exported), "--db", log]) == 0
    assert capsys.readouterr().out == f"{COUNT} stored, 0 already in the log\n"
    assert (rows(log), counts(log)) == before
    assert not any(check_log(open_for_reading(log)).problems.values())


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"no json", "JSON is malformed"),
        (b"[1, 2]", "Expected `object`"),
        (b"\xff", "line 701"),
        (b'{"at": "2026-11-22T10:00:00Z"}', "missing required field"),
        (b"[" * 100_000, "line 701"),
        (None, "emotion happy does not have the highest score"),
    ],
)
def test_a_line_that_is_not_an_observation_is_named_and_the_lines_before_it_are_stored(
    tmp_path: Path, exported: Path, capsys: pytest.CaptureFixture[str], damaged: bytes | None, message: str
) -> None:
    lines = exported.read_bytes().splitlines()
    lines[700] = damaged or json.dumps(json.loads(lines[700]) | {"angry": 0.9}).encode()
    exported.write_bytes(b"\n".join(lines))
    other = str(tmp_path / "other.db")
    assert main(["import", str(exported), "--db", other]) == 5
    error = capsys.readouterr().err
    assert "line 701" in error
    assert message in error
    assert "import again" in error
    assert len(rows(other)) == 700


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(tmp_path / "no.ndjson"), "--db", str(tmp_path / "mien.db")]) == 5
    assert "name a file that `mien query` wrote" in capsys.readouterr().err

"""What `mien query --all --format ndjson` gave goes back into a log, each observation once: on both stores."""

import json
from pathlib import Path

import pytest
from samples import make_observation
from sqlalchemy import Engine, text
from uuid6 import uuid7

from mien.broker.arrival import decode_arrival
from mien.broker.checking import check_log
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.store import Store
from mien.command import main
from mien.observation import encode

RECEIVED_MS = 1_800_000_000_000
COUNT = 1234


@pytest.fixture
def exported(log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A log's whole content."""
    outbox = uuid7()
    made = [make_observation(outbox, seq, latency_ms=seq, track=1 + seq % 3) for seq in range(1, COUNT + 1)]
    Store(open_for_writing(log)).record(
        [
            decode_arrival(topic="t", payload=encode(one), received_ms=RECEIVED_MS + one.seq, device="hallway")
            for one in made
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


def forget_all(engine: Engine) -> None:
    after: int | None = 0
    while after is not None:
        after = Store(engine).forget(RECEIVED_MS * 2, after)
    engine.dispose()


def test_an_empty_log_gets_all_back(
    log: str, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(tmp_path / "other.db")
    assert main(["import", str(exported), "--db", other]) == 0
    assert capsys.readouterr().out == f"{COUNT} stored, 0 known already\n"
    mine, theirs = rows(log), rows(other)
    if not log.endswith(".db"):  # SQLite and PostgreSQL write some numbers with other digits
        mine, theirs = ([(*row[:3], *row[-7:-1]) for row in one] for one in (mine, theirs))
    assert mine == theirs
    assert len(mine) == COUNT


def test_what_is_there_is_not_doubled(log: str, exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = counts(log)
    assert main(["import", str(exported), "--db", log]) == 0
    assert capsys.readouterr().out == f"0 stored, {COUNT} known already\n"
    assert counts(log) == before


def test_rows_that_retention_deleted_come_back_and_are_counted_once(
    log: str, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(log), counts(log)
    forget_all(open_for_writing(log))
    assert rows(log) == []
    assert main(["import", str(exported), "--db", log]) == 0
    assert capsys.readouterr().out == f"{COUNT} stored, 0 known already\n"
    assert (rows(log), counts(log)) == before
    assert not any(check_log(open_for_reading(log)).problems.values())


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (b"no json", "JSON is malformed"),
        (b"[1, 2]", "Expected `object`"),
        (b"\xff", "line 701"),
        (b'{"at": "2026-11-22T10:00:00Z"}', "missing required field"),
        (b"[" * 100_000, "line 701"),
        (None, "emotion happy has not the highest score"),
    ],
)
def test_a_line_that_is_no_observation_is_named_and_what_was_before_it_stays(
    tmp_path: Path, exported: Path, capsys: pytest.CaptureFixture[str], spoiled: bytes | None, said: str
) -> None:
    lines = exported.read_bytes().splitlines()
    lines[700] = spoiled or json.dumps(json.loads(lines[700]) | {"angry": 0.9}).encode()
    exported.write_bytes(b"\n".join(lines))
    other = str(tmp_path / "other.db")
    assert main(["import", str(exported), "--db", other]) == 5
    error = capsys.readouterr().err
    assert "line 701" in error
    assert said in error
    assert "import again" in error
    assert len(rows(other)) == 700


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(tmp_path / "no.ndjson"), "--db", str(tmp_path / "mien.db")]) == 5
    assert "name a file that `mien query` wrote" in capsys.readouterr().err

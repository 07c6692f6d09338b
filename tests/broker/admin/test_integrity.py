"""`mien db check` finds inconsistencies, on SQLite and PostgreSQL."""

import json

import pytest
from samples import make_observation
from sqlalchemy import insert

from mien.broker.admin.integrity import check_log
from mien.broker.database import schema
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.cli import main
from mien.messages.observation import encode_observation

TOPIC = "mien/hallway/observation"


@pytest.fixture
def filled_log(log: str) -> str:
    """A log with one observation and one rejected message."""
    engine = open_for_writing(log)
    Store(engine).record(
        [
            decode_message(topic=TOPIC, payload=payload, received_ms=1_800_000_000_000, device="hallway")
            for payload in (encode_observation(make_observation(seq=1)), b"\xffnoise")
        ]
    )
    engine.dispose()
    return log


def test_the_command_reports_wrong_counts(filled_log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "check", "--db", filled_log, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["problems"].values()) == {""}
    engine = open_for_writing(filled_log)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rollup SET happy = 7")
    engine.dispose()
    assert main(["db", "check", "--db", filled_log]) == 8
    captured = capsys.readouterr()
    assert "error rollup: 1 of 1 counts differ from the observations" in captured.out
    assert f"{filled_log} is damaged (rollup): restore a backup\n" in captured.err


def test_duplicate_ids_and_overlapping_ranges_are_found(filled_log: str) -> None:
    engine = open_for_writing(filled_log)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rejected SET id = (SELECT id FROM observation)")
        connection.execute(insert(schema.acked_range).values(outbox=1, received=1, first=2, last=3))
    engine.dispose()
    problems = check_log(open_for_reading(filled_log)).problems
    assert problems["unique ids"] == "1 ids are in two tables"
    assert problems["acknowledged ranges"] == "the ranges of 1 outboxes overlap"
    assert problems["rollup"] == problems["file"] == ""

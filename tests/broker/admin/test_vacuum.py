"""`mien db vacuum` releases disk space and loses nothing, on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from samples import make_observation
from sqlalchemy import text
from uuid6 import uuid7

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.database.location import DatabaseLocation
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.retention import START, Position
from mien.broker.ingest.store import Store
from mien.cli import main
from mien.messages.observation import encode_observation

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def received_ms(seq: int) -> int:
    """One observation arrives per second."""
    return round((NOW + timedelta(seconds=seq)).timestamp() * 1000)


def test_a_log_shrinks_after_rows_were_deleted(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine = open_for_writing(log)
    outbox = uuid7()
    for begin in range(1, 5001, 1000):
        observations = [make_observation(outbox, seq) for seq in range(begin, begin + 1000)]
        Store(engine).record(
            [
                decode_message(
                    topic="t",
                    payload=encode_observation(observation),
                    received_ms=received_ms(observation.seq),
                    device="hallway",
                )
                for observation in observations
            ]
        )
    position: Position | None = START
    while position:
        position = Store(engine).delete_before(received_ms(4900), position).next_position
    engine.dispose()
    assert main(["db", "vacuum", "--db", log]) == 0
    output = capsys.readouterr().out
    path = DatabaseLocation.parse(log).path
    if path:
        old_size, _, _, new_size, *_ = output.removeprefix(f"{log}: ").split()
        assert int(new_size) == path.stat().st_size < int(old_size) / 3
    reader = open_for_reading(log)
    with reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM observation")).scalar_one() == 101
        assert connection.execute(text("SELECT count(*) FROM capture")).scalar_one() == 101
        assert connection.execute(text("SELECT sum(observations) FROM emotion_counts")).scalar_one() == 5000
    assert not any(check_log(reader).problems.values())


def test_a_missing_log_is_named(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "vacuum", "--db", f"{tmp_path}/no.db"]) == 8
    assert "does not exist" in capsys.readouterr().err

"""`mien db vacuum` gives room back and loses nothing: on both stores."""

from datetime import UTC, datetime, timedelta

import pytest
from samples import make_observation
from sqlalchemy import text
from uuid6 import uuid7

from mien.broker.arrival import decode_arrival
from mien.broker.checking import check_log
from mien.broker.database import Place, open_for_reading, open_for_writing
from mien.broker.store import Store
from mien.command import main
from mien.observation import encode

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_a_log_whose_rows_went_is_made_small(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine = open_for_writing(log)
    outbox = uuid7()
    for begin in range(1, 5001, 1000):
        made = [make_observation(outbox, seq) for seq in range(begin, begin + 1000)]
        moments = [NOW + timedelta(seconds=one.seq) for one in made]
        Store(engine).record(
            [
                decode_arrival(
                    topic="t", payload=encode(one), received_ms=round(at.timestamp() * 1000), device="hallway"
                )
                for one, at in zip(made, moments, strict=True)
            ]
        )
    before = round((NOW + timedelta(seconds=4900)).timestamp() * 1000)
    after: int | None = 0
    while after is not None:
        after = Store(engine).forget(before, after)
    engine.dispose()
    assert main(["db", "vacuum", "--db", log]) == 0
    said = capsys.readouterr().out
    path = Place.of(log).path
    if path:
        words = said.removeprefix(f"{log}: ").split()
        assert int(words[3]) == path.stat().st_size < int(words[0]) / 3
    reader = open_for_reading(log)
    with reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM observation")).scalar_one() == 101
        assert connection.execute(text("SELECT count(*) FROM capture")).scalar_one() == 101
        assert connection.execute(text("SELECT sum(observations) FROM emotion_counts")).scalar_one() == 5000
    assert not any(check_log(reader).problems.values())


def test_there_is_nothing_to_make_small_where_no_log_is(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "vacuum", "--db", f"{tmp_path}/no.db"]) == 8
    assert "does not exist" in capsys.readouterr().err

"""Rejected messages are listed, replayed and purged, on SQLite and PostgreSQL."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from postgresql import PostgreSQL
from progress_recorder import ProgressRecorder
from samples import make_observation
from sqlalchemy import insert

from mien.broker.admin.integrity import check_log
from mien.broker.admin.rejected import ReplayResult, list_rejected, purge_rejected, replay_rejected
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.database.schema import erasure
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.store import Store
from mien.cli import main
from mien.messages.observation import Observation, encode_observation

RECEIVED_MS = 1_800_000_000_000


@pytest.fixture
def rejecting_log(log: str) -> str:
    """A log that rejected an observation of a later release, and noise."""
    engine = open_for_writing(log)
    noise = decode_message(topic="mien/hallway/observation", payload=b"\xffnoise", received_ms=1, device="hallway")
    Store(engine).record([rejected_by_an_older_release(make_observation(seq=5)), noise])
    engine.dispose()
    return log


def rejected_by_an_older_release(observation: Observation) -> IncomingMessage:
    """A message that is valid now, as a release that could not decode it would have stored it."""
    topic = f"mien/{observation.device}/observation"
    message = decode_message(
        topic=topic, payload=encode_observation(observation), received_ms=RECEIVED_MS, device=observation.device
    )
    return replace(message, body=None, reject_reason="body", reason_text="not understood")


def test_a_message_that_is_valid_now_moves_into_the_log(rejecting_log: str) -> None:
    engine = open_for_writing(rejecting_log)
    assert replay_rejected(engine, now_ms=RECEIVED_MS) == ReplayResult(stored=1, still_rejected=1)
    assert replay_rejected(engine, now_ms=RECEIVED_MS) == ReplayResult(stored=0, still_rejected=1)
    engine.dispose()
    report = check_log(open_for_reading(rejecting_log))
    assert not any(report.problems.values())
    assert [row["reason"] for row in list_rejected(open_for_reading(rejecting_log), limit=9)] != ["not understood"]


def test_a_message_that_postgresql_does_not_accept_blocks_no_other(postgresql_server: PostgreSQL) -> None:
    engine = open_for_writing(postgresql_server.database(uuid4().hex))
    unacceptable, valid = make_observation(seq=1, latency_ms=40_000), make_observation(seq=2)
    Store(engine).record([rejected_by_an_older_release(unacceptable), rejected_by_an_older_release(valid)])
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW emotion_log")
        connection.exec_driver_sql("ALTER TABLE observation ALTER COLUMN latency_ms TYPE smallint")
    assert replay_rejected(engine, now_ms=RECEIVED_MS) == ReplayResult(stored=1, still_rejected=1)
    assert [row["reason"] for row in list_rejected(engine, limit=9)] == ["not understood"]
    engine.dispose()


def test_a_replay_judges_times_by_now(log: str) -> None:
    engine, observation = open_for_writing(log), make_observation()
    year_behind_ms = round(observation.at.timestamp() * 1000) - 365 * 86_400_000
    message = decode_message(
        topic="mien/hallway/observation",
        payload=encode_observation(observation),
        received_ms=year_behind_ms,
        device="hallway",
    )
    assert Store(engine).record([message]).rejected == {"clock": 1}
    assert replay_rejected(engine, now_ms=year_behind_ms) == ReplayResult(stored=0, still_rejected=1)
    assert replay_rejected(engine, now_ms=RECEIVED_MS) == ReplayResult(stored=1, still_rejected=0)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT received_ms FROM observation").scalar() == year_behind_ms
    assert not any(check_log(engine).problems.values())
    engine.dispose()


def test_a_replay_does_not_take_another_devices_id(log: str) -> None:
    engine, observation = open_for_writing(log), make_observation()
    other = msgspec.structs.replace(observation, device="cellar")
    Store(engine).record([rejected_by_an_older_release(other)])
    Store(engine).record(
        [
            decode_message(
                topic="mien/hallway/observation",
                payload=encode_observation(observation),
                received_ms=RECEIVED_MS,
                device="hallway",
            )
        ]
    )
    assert replay_rejected(engine, now_ms=RECEIVED_MS) == ReplayResult(stored=0, still_rejected=1)
    (row,) = list_rejected(engine, limit=9)
    assert (row["reason"], row["payload"] is None) == ("not understood", False)
    assert not any(check_log(engine).problems.values())
    engine.dispose()


def test_a_replay_does_not_restore_what_was_erased(log: str) -> None:
    engine, observation = open_for_writing(log), make_observation()
    Store(engine).record([rejected_by_an_older_release(observation)])
    at_ms = round(observation.at.timestamp() * 1000)
    with engine.begin() as connection:
        span = {"start_ms": at_ms - 1, "end_ms": at_ms + 1, "erased_ms": RECEIVED_MS}
        connection.execute(insert(erasure).values(device=1, is_whole_device=0, clear_retained=0, **span))
    assert replay_rejected(engine, now_ms=RECEIVED_MS) == ReplayResult(stored=0, still_rejected=1)
    (row,) = list_rejected(engine, limit=9)
    assert (row["reason"], row["payload"]) == ("erased", None)
    assert not any(check_log(engine).problems.values())
    engine.dispose()


def test_purging_deletes_payloads_and_keeps_ids(rejecting_log: str) -> None:
    engine = open_for_writing(rejecting_log)
    assert purge_rejected(engine, progress := ProgressRecorder()) == 2
    assert progress.reports == {"messages": (2, 2)}
    assert purge_rejected(engine) == 0
    assert [row["payload"] for row in list_rejected(engine, limit=9)] == [None, None]
    duplicate = decode_message(topic="mien/hallway/observation", payload=b"\xffnoise", received_ms=9, device="hallway")
    assert Store(engine).record([duplicate]).duplicates == 1
    engine.dispose()


def test_the_commands_list_replay_and_purge(rejecting_log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rejected", "list", "--db", rejecting_log, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["payload"] for row in rows][1] == "\\xffnoise"
    assert msgspec.json.decode(rows[0]["payload"])["seq"] == 5
    assert main(["rejected", "list", "--db", rejecting_log]) == 0
    assert "not understood" in capsys.readouterr().out
    assert main(["rejected", "replay", "--db", rejecting_log]) == 0
    assert capsys.readouterr().out == "1 stored, 1 still rejected\n"
    assert main(["rejected", "purge", "--db", rejecting_log]) == 0
    assert capsys.readouterr().out == "1 payloads deleted\n"


def test_the_commands_do_not_create_a_mistyped_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("list", "replay", "purge"):
        assert main(["rejected", command, "--db", str(tmp_path / "typo.db")]) == 8
        assert "typo.db does not exist: name the collector's database with --db" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

"""What becomes of messages that could not be stored: on SQLite and PostgreSQL."""

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from bars import Watched
from postgresql import PostgreSQL
from samples import make_observation

from mien.broker.arrival import Arrival, decode_arrival
from mien.broker.checking import check_log
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.rejected import Replayed, list_rejected, purge, replay
from mien.broker.schema import REVISION
from mien.broker.sqlite import back_up
from mien.broker.store import Store
from mien.command import main
from mien.observation import Observation, encode

RECEIVED_MS = 1_800_000_000_000


@pytest.fixture
def refusing(log: str) -> str:
    """A log that rejected an observation of a later release, and noise."""
    engine = open_for_writing(log)
    noise = decode_arrival(topic="mien/hallway/observation", payload=b"\xffnoise", received_ms=1, device="hallway")
    Store(engine).record([rejected_now(make_observation(seq=5)), noise])
    engine.dispose()
    return log


def rejected_now(observation: Observation) -> Arrival:
    """A good observation that this release is made to reject, as an earlier one might have."""
    topic = f"mien/{observation.device}/observation"
    good = decode_arrival(topic=topic, payload=encode(observation), received_ms=RECEIVED_MS, device=observation.device)
    return replace(good, body=None, flaw="body", reason="not understood")


def test_what_an_upgrade_understands_moves_into_the_log(refusing: str) -> None:
    engine = open_for_writing(refusing)
    done = replay(engine)
    assert (done.stored, done.still_rejected) == (1, 1)
    assert (replay(engine).stored, replay(engine).still_rejected) == (0, 1)
    engine.dispose()
    found = check_log(open_for_reading(refusing))
    assert not any(found.problems.values())
    assert [row["reason"] for row in list_rejected(open_for_reading(refusing), limit=9)] != ["not understood"]


def test_what_postgresql_does_not_take_holds_up_no_other(postgresql_server: PostgreSQL) -> None:
    engine = open_for_writing(postgresql_server.database(uuid4().hex))
    poison, fine = make_observation(seq=1, latency_ms=40_000), make_observation(seq=2)
    Store(engine).record([rejected_now(poison), rejected_now(fine)])
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW emotion_log")
        connection.exec_driver_sql("ALTER TABLE observation ALTER COLUMN latency_ms TYPE smallint")
    assert replay(engine) == Replayed(stored=1, still_rejected=1)
    assert [row["reason"] for row in list_rejected(engine, limit=9)] == ["not understood"]
    engine.dispose()


def test_purging_clears_payloads_and_keeps_ids(refusing: str) -> None:
    engine = open_for_writing(refusing)
    assert purge(engine, bar := Watched()) == 2
    assert bar.told == {"messages": (2, 2)}
    assert purge(engine) == 0
    assert [row["payload"] for row in list_rejected(engine, limit=9)] == [None, None]
    again = decode_arrival(topic="mien/hallway/observation", payload=b"\xffnoise", received_ms=9, device="hallway")
    assert Store(engine).record([again]).duplicates == 1
    engine.dispose()


def test_the_commands_list_replay_and_purge(refusing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rejected", "list", "--db", refusing, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["payload"] for row in rows][1] == "\\xffnoise"
    assert msgspec.json.decode(rows[0]["payload"])["seq"] == 5
    assert main(["rejected", "list", "--db", refusing]) == 0
    assert "not understood" in capsys.readouterr().out
    assert main(["rejected", "replay", "--db", refusing]) == 0
    assert capsys.readouterr().out == "1 stored, 1 still rejected\n"
    assert main(["rejected", "purge", "--db", refusing]) == 0
    assert capsys.readouterr().out == "1 payloads cleared\n"


def test_the_check_finds_what_does_not_fit(refusing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "check", "--db", refusing, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["problems"].values()) == {""}
    engine = open_for_writing(refusing)
    Store(engine).record([arrival(make_observation(seq=1))])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rollup SET happy = 7")
    engine.dispose()
    assert main(["db", "check", "--db", refusing]) == 8
    captured = capsys.readouterr()
    assert "error rollup: 1 of 1 counts differ from the observations" in captured.out
    assert "has failed the check of rollup: restore a backup of it" in captured.err


def arrival(observation: Observation) -> Arrival:
    topic = f"mien/{observation.device}/observation"
    return decode_arrival(topic=topic, payload=encode(observation), received_ms=RECEIVED_MS, device=observation.device)


def test_a_copy_ends_while_another_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit would begin the copy anew, did it not hold one state of the log."""
    log = tmp_path / "mien.db"
    engine = open_for_writing(log)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO device (key, name) VALUES (1, 'hallway')")
        connection.exec_driver_sql("CREATE TABLE much AS SELECT randomblob(20000000) AS noise")
    writing = (
        "import sqlite3, sys; log = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n"
        "while True: log.execute('UPDATE device SET name = name'); print(flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", writing, log], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        bar = Watched()
        monkeypatch.setattr("mien.broker.sqlite.COPIED_PAGES", 1)
        threading.Thread(target=lambda: [*other.stdout], daemon=True).start()  # type: ignore[misc]
        back_up(log, tmp_path / "copy.db", bar)
        other.kill()
    engine.dispose()
    assert {done == total for total, done in bar.told.values()} == {True}
    assert check_log(open_for_reading(tmp_path / "copy.db")).problems["file"] == ""


def test_the_file_is_copied_while_it_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, copy = str(tmp_path / "mien.db"), tmp_path / "copy.db"
    engine = open_for_writing(log)
    Store(engine).record([arrival(make_observation(seq=1))])
    assert main(["db", "backup", str(copy), "--db", log]) == 0
    engine.dispose()
    assert check_log(open_for_reading(copy)).problems["rollup"] == ""
    assert main(["query", "--db", str(copy), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out.split("\n", 1)[1])) == 1
    assert main(["db", "backup", str(copy), "--db", log]) == 8
    assert "copy.db ([Errno 17] File exists" in capsys.readouterr().err
    assert main(["db", "backup", str(copy), "--db", str(tmp_path / "none.db")]) == 8
    assert main(["db", "backup", str(copy), "--db", "postgresql://127.0.0.1/mien"]) == 2


def test_migrate_says_what_it_did(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "://" not in log:
        assert main(["db", "migrate", "--db", log]) == 8
        assert "mien.db does not exist" in capsys.readouterr().err
    open_for_writing(log).dispose()
    assert main(["db", "migrate", "--db", log]) == 0
    assert capsys.readouterr().out == f"{log} is up to date, at step {REVISION}\n"


def test_a_mistyped_log_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("list", "replay", "purge"):
        assert main(["rejected", verb, "--db", str(tmp_path / "typo.db")]) == 8
        assert "typo.db does not exist: name the collector's database with --db" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

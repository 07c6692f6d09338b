"""A corrupt file, a full disk and a wrong path cost no more observations than necessary."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from outboxes import TIMESTAMP, SimulatedMachine, append_observations
from samples import make_draft

from mien.edge.delivery.outbox import Outbox
from mien.errors import DatabaseError
from mien.messages.observation import decode_observation


def raise_corruption(outbox: Outbox) -> None:
    with outbox._file.connection():
        corruption = sqlite3.DatabaseError("malformed")
        corruption.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise corruption


def test_a_file_that_is_not_a_database_is_set_aside_and_replaced(
    tmp_path: Path, open_outbox: Callable[..., Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outbox.db").write_text("this is not an SQLite file, but something else" * 20)
    with open_outbox() as outbox:
        assert outbox.append(make_draft(), TIMESTAMP).seq == 1
        assert outbox.health(SimulatedMachine(tmp_path).clock()).corrupt_files == 1
    (corrupt_file,) = tmp_path.glob("outbox.db.corrupt-*")
    assert corrupt_file.read_text().startswith("this is not an SQLite file")
    assert f"moved it to {corrupt_file} and started a new one" in caplog.text


def test_a_file_that_becomes_corrupt_in_use_is_replaced_and_the_next_observation_is_stored(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        append_observations(outbox, 300)
        with outbox._file.connection() as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        corrupt_id = outbox.id
        file = tmp_path / "outbox.db"
        content = file.read_bytes()
        file.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
        with outbox._file.connection() as database:
            database.execute("PRAGMA shrink_memory")
        observation = outbox.append(make_draft(), TIMESTAMP)
        assert outbox.id != corrupt_id
        assert observation.outbox == outbox.id
        assert [decode_observation(payload) for _, payload in outbox.read_publishable(10)] == [observation]
    assert len(list(tmp_path.glob("outbox.db.corrupt-*"))) == 1


def test_a_full_disk_is_reported_and_counted_and_nothing_accumulates_in_memory(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        outbox.append(make_draft(), TIMESTAMP)
        with outbox._file.connection() as database:
            (pages,) = database.execute("PRAGMA page_count").fetchone()
            database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DatabaseError, match=r"outbox.db cannot be used \(database or disk is full\)"):
            append_observations(outbox, 100)
        waiting = outbox.count_waiting()
        assert outbox.health(SimulatedMachine(tmp_path).clock()).write_errors == 1
        with outbox._file.connection() as database:
            database.execute("PRAGMA max_page_count = 1000000")
        assert outbox.append(make_draft(), TIMESTAMP).seq == waiting + 1


def test_a_read_only_disk_is_reported(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        with outbox._file.connection() as database:
            database.execute("PRAGMA query_only = 1")
        with pytest.raises(DatabaseError, match="attempt to write a readonly database"):
            outbox.append(make_draft(), TIMESTAMP)
        assert outbox.health(SimulatedMachine(tmp_path).clock()).write_errors == 1


def test_an_outbox_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"outbox.db cannot be created .*: check outbox in agent.toml"):
        Outbox(tmp_path / "file" / "outbox.db", device="hallway")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(DatabaseError, match=r"folder.db cannot be opened .*: check outbox in agent.toml"):
        Outbox(tmp_path / "folder.db", device="hallway")


def test_setting_aside_a_corrupt_file_is_retried(
    tmp_path: Path, open_outbox: Callable[..., Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(error: sqlite3.Error) -> None:
        raise DatabaseError("the disk is full")

    with open_outbox() as outbox:
        append_observations(outbox, 1)
        with monkeypatch.context() as patch:
            patch.setattr(outbox._file, "_set_aside", fail)
            with pytest.raises(DatabaseError, match="the disk is full"):
                raise_corruption(outbox)
        assert outbox.append(make_draft(), TIMESTAMP).seq == 2

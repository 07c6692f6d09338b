"""A damaged file, a full disk and a wrong path cost no more than they must."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from outboxes import MOMENT, Machine, append, build

from mien.edge.outbox import Outbox
from mien.errors import DatabaseError
from mien.observation import decode_observation


def find_damage(outbox: Outbox) -> None:
    with outbox._file.reading():
        damage = sqlite3.DatabaseError("malformed")
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage


def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_begins(
    tmp_path: Path, open_outbox: Callable[..., Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outbox.db").write_text("this is not SQLite, it only stands in its place" * 20)
    with open_outbox() as outbox:
        assert outbox.append(build(), MOMENT).seq == 1
        assert outbox.health(Machine(tmp_path).clock()).set_aside == 1
    (kept,) = tmp_path.glob("outbox.db.damaged-*")
    assert kept.read_text().startswith("this is not SQLite")
    assert f"it is kept as {kept}, and a new one begins" in caplog.text


def test_a_file_that_is_damaged_while_in_use_is_set_aside_and_the_next_observation_is_kept(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        append(outbox, 300)
        outbox._file._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        name = outbox.id
        file = tmp_path / "outbox.db"
        whole = file.read_bytes()
        file.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
        outbox._file._database.execute("PRAGMA shrink_memory")
        kept = outbox.append(build(), MOMENT)
        assert outbox.id != name
        assert kept.outbox == outbox.id
        assert [decode_observation(payload) for _, payload in outbox.ready(10)] == [kept]
    assert len(list(tmp_path.glob("outbox.db.damaged-*"))) == 1


def test_a_full_disk_is_announced_and_counted_and_nothing_is_kept_in_memory(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        outbox.append(build(), MOMENT)
        (pages,) = outbox._file._database.execute("PRAGMA page_count").fetchone()
        outbox._file._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DatabaseError, match=r"outbox.db cannot be used \(database or disk is full\)"):
            append(outbox, 100)
        depth = outbox.depth()
        assert outbox.health(Machine(tmp_path).clock()).not_kept == 1
        outbox._file._database.execute("PRAGMA max_page_count = 1000000")
        assert outbox.append(build(), MOMENT).seq == depth + 1


def test_a_disk_that_cannot_be_written_is_announced(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        outbox._file._database.execute("PRAGMA query_only = 1")
        with pytest.raises(DatabaseError, match="attempt to write a readonly database"):
            outbox.append(build(), MOMENT)
        assert outbox.health(Machine(tmp_path).clock()).not_kept == 1


def test_an_outbox_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"outbox.db cannot be made .*: check outbox in agent.toml"):
        Outbox(tmp_path / "file" / "outbox.db", device="hallway")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(DatabaseError, match=r"folder.db cannot be opened .*: check outbox in agent.toml"):
        Outbox(tmp_path / "folder.db", device="hallway")


def test_a_damaged_file_that_cannot_be_set_aside_yet_is_tried_again(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        append(outbox, 1)
        real = outbox._file._put_aside

        def refuse(error: sqlite3.Error) -> None:
            raise DatabaseError("the disk is full")

        outbox._file._put_aside = refuse  # type: ignore[method-assign]
        with pytest.raises(DatabaseError, match="the disk is full"):
            find_damage(outbox)
        outbox._file._put_aside = real  # type: ignore[method-assign]
        assert outbox.append(build(), MOMENT).seq == 2

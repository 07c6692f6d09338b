"""A log that its reader may not write, another user's or a mounted backup's, is read, or it is said how to copy it."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sample_logs import write_log

from mien.broker.database.sqlite import back_up
from mien.broker.query import EmotionLog
from mien.cli import main
from mien.errors import DatabaseError

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can read; pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def reader_of(folder: Path) -> Iterator[None]:
    """While the block runs, this process may read the folder and not write it."""
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        if not os.access(folder, os.R_OK, effective_ids=True):
            pytest.skip("the folder of temporary files is this user's alone")
        assert not os.access(folder, os.W_OK, effective_ids=True)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


@contextmanager
def log_in_use(log: Path) -> Iterator[None]:
    """A log of six observations, three of them in the write-ahead log that a program keeps open during the block."""
    write_log(log)
    with closing(sqlite3.connect(log)) as other:
        other.execute("SELECT count(*) FROM observation").fetchone()
        write_log(log)
        assert log.with_name(f"{log.name}-wal").stat().st_size
        yield


def test_a_closed_log_is_read_without_writing_beside_it(folder: Path) -> None:
    write_log(folder / "mien.db")
    with reader_of(folder):
        with EmotionLog(folder / "mien.db") as log:
            assert log.observation_count() == 3
        assert [file.name for file in folder.iterdir()] == ["mien.db"]


def test_a_log_in_use_is_read(folder: Path) -> None:
    with log_in_use(folder / "mien.db"), reader_of(folder), EmotionLog(folder / "mien.db") as log:
        assert log.observation_count() == 6


def test_a_copy_of_a_log_in_use_says_how_to_copy_it(folder: Path, tmp_path: Path) -> None:
    with log_in_use(tmp_path / "mien.db"):  # as a backup program copies it that does not know SQLite
        for suffix in ("", "-wal"):
            shutil.copy(f"{tmp_path}/mien.db{suffix}", f"{folder}/copy.db{suffix}")
    with reader_of(folder):
        with pytest.raises(DatabaseError) as caught:
            EmotionLog(folder / "copy.db")
        assert str(caught.value) == (
            f"{folder}/copy.db cannot be read where it is: a part of it is in copy.db-wal, which needs write access to "
            "the folder: copy both files into a folder of your own, and name the copy of copy.db"
        )
    for suffix in ("", "-wal"):
        shutil.copy(f"{folder}/copy.db{suffix}", f"{tmp_path}/own.db{suffix}")
    with EmotionLog(tmp_path / "own.db") as log:
        assert log.observation_count() == 6


def test_what_is_written_later_is_read_by_a_reader_that_could_not_know(folder: Path) -> None:
    log = folder / "mien.db"
    write_log(log)
    with reader_of(folder):
        reader = EmotionLog(log)
        assert reader.observation_count() == 3
    write_log(log)
    with reader_of(folder):
        assert reader.observation_count() == 6
        reader.close()


def test_a_log_is_backed_up_from_where_nothing_can_be_written(folder: Path) -> None:
    write_log(folder / "mien.db")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        with reader_of(folder):
            back_up(folder / "mien.db", Path(name) / "copy.db")
        with EmotionLog(f"{name}/copy.db") as copy:
            assert copy.observation_count() == 3


def test_a_locked_log_is_said_to_be_locked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "mien.db"
    write_log(log)
    with closing(sqlite3.connect(log, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert main(["db", "migrate", "--db", str(log)]) == 8
    assert capsys.readouterr().err == (
        f"mien: {log} cannot be opened (database is locked): another program is using it; try again when that is done, "
        "or stop it\n"
    )

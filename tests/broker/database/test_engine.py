"""How an emotion log is opened, and which databases are refused."""

import sqlite3
from pathlib import Path
from uuid import uuid4

import pytest
from mosquitto import free_port
from postgresql import PostgreSQL

from mien.broker.database.engine import migrate, open_for_reading, open_for_writing
from mien.broker.database.location import DatabaseLocation
from mien.errors import DatabaseError


def test_what_is_not_an_emotion_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"is a folder: name the collector's database in it"):
        open_for_reading(tmp_path)
    with pytest.raises(DatabaseError, match=r"none.db does not exist"):
        open_for_reading(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("this is not SQLite, it only has the name of a database" * 20)
    for open_log in (open_for_reading, open_for_writing):
        with pytest.raises(DatabaseError, match="file is not a database"):
            open_log(tmp_path / "text.db")
    sqlite3.connect(tmp_path / "empty.db").close()
    with pytest.raises(DatabaseError, match="is not an emotion log of this release"):
        open_for_reading(tmp_path / "empty.db")


def test_another_programs_database_is_refused(log: str) -> None:
    with DatabaseLocation.parse(log).create_writer().begin() as connection:
        connection.exec_driver_sql("CREATE TABLE observation (seq INTEGER)")
    for change_log in (open_for_writing, migrate):
        with pytest.raises(DatabaseError, match="belongs to another program: name another database"):
            change_log(log)
    with pytest.raises(DatabaseError, match="is not an emotion log of this release"):
        open_for_reading(log)


def test_a_server_that_is_down_is_named() -> None:
    with pytest.raises(DatabaseError, match=r"cannot be opened .*[Cc]onnection refused"):
        open_for_writing(f"postgresql://127.0.0.1:{free_port()}/mien")


def test_a_database_that_cannot_hold_all_text_is_refused(postgresql_server: PostgreSQL) -> None:
    latin = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with pytest.raises(
        DatabaseError, match=r"has the encoding LATIN1: create it with CREATE DATABASE ... ENCODING 'UTF8'"
    ):
        open_for_writing(postgresql_server.database(uuid4().hex, latin))

"""How an emotion log is opened, refused and brought up to date."""

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from bars import Watched
from mosquitto import free_port
from postgresql import PostgreSQL
from sqlalchemy import make_url

from mien.broker import database, migrating
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.postgresql import _arguments
from mien.broker.schema import REVISION
from mien.errors import ConfigurationError, DatabaseError

FIRST_RELEASE = Path(__file__).parent / "first-release.sql"
"""`sqlite3 mien.db .dump` of a log that the first release wrote."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mien.db"


@pytest.fixture
def old(path: Path) -> Path:
    """A log of the first release, with 19 observations and a rejected message."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_RELEASE.read_text())
        connection.execute("PRAGMA user_version = 1")
    return path


def test_a_missing_or_alien_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"is a folder: name the collector's database in it"):
        open_for_reading(tmp_path)
    with pytest.raises(DatabaseError, match=r"none.db does not exist"):
        open_for_reading(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("this is not SQLite, it only stands in its place" * 20)
    for open_it in (open_for_reading, open_for_writing):
        with pytest.raises(DatabaseError, match="file is not a database"):
            open_it(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE observation (seq)")
    with pytest.raises(DatabaseError, match="is some other program's database"):
        open_for_writing(tmp_path / "other.db")
    sqlite3.connect(tmp_path / "empty.db").close()
    with pytest.raises(DatabaseError, match="is no emotion log of this release"):
        open_for_reading(tmp_path / "empty.db")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mysql://host/mien", "mien cannot store in mysql: name a file or a postgresql:// URL"),
        ("postgresql//:host://", "is no URL"),
        ("postgresql://me:secret@host/mien", "a password stands in the URL of the database on host.*~/.pgpass"),
        ("postgresql://host/mien?password=secret", "a password stands in the URL of the database on host.*~/.pgpass"),
        ("postgresql:///mien?host=db.example.org", "host in a database URL: write postgresql://HOST/DATABASE"),
        ("postgresql://host:port/mien", "this is no URL"),
    ],
)
def test_a_url_that_will_not_do_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        open_for_writing(name)
    assert "secret" not in str(raised.value)


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(DatabaseError, match=r"cannot be opened .*[Cc]onnection refused"):
        open_for_writing(f"postgresql://127.0.0.1:{free_port()}/mien")


def test_a_database_that_cannot_hold_every_text_is_named(postgresql_server: PostgreSQL) -> None:
    latin = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with pytest.raises(DatabaseError, match=r"is in LATIN1: make it with CREATE DATABASE ... ENCODING 'UTF8'"):
        open_for_writing(postgresql_server.database(uuid4().hex, latin))


def test_other_machines_are_asked_for_a_certificate() -> None:
    away = _arguments(make_url("postgresql://db.example.org/mien"), None)
    assert (away["sslmode"], away["sslrootcert"]) == ("verify-full", "system")
    assert "sslmode" not in _arguments(make_url("postgresql://127.0.0.1/mien"), None)
    assert "sslmode" not in _arguments(make_url("postgresql://db.example.org/mien?sslmode=require"), None)


def test_a_database_of_a_newer_release_is_left_alone(path: Path) -> None:
    open_for_writing(path).dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '99'")
    with pytest.raises(DatabaseError, match="made by a newer mien"):
        open_for_writing(path)


def test_a_log_of_the_first_release_asks_for_its_migration(old: Path) -> None:
    for open_it in (open_for_writing, open_for_reading):
        with pytest.raises(DatabaseError, match=r"of an older (release|one).*`mien db migrate --db .*mien.db`"):
            open_it(old)


def test_migration_keeps_every_row_and_a_copy_of_the_file(old: Path) -> None:
    before = old.read_bytes()
    step, copy = database.migrate(old, bar := Watched())
    assert step == "1"
    assert bar.told.keys() == {"copying pages", "steps"}
    assert {done == total for total, done in bar.told.values()} == {True}
    assert copy is not None
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM observation").fetchone() == (19,)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'rollup'").fetchone() == (0,)
    assert before != old.read_bytes()
    with open_for_reading(old).connect() as connection:
        count = connection.exec_driver_sql
        assert count("SELECT count(*) FROM emotion_log").scalar() == 19
        assert count("SELECT count(*) FROM rejected").scalar() == 1
        assert count("SELECT sum(observations) FROM emotion_counts").scalar() == 19
        assert count("SELECT first, last FROM answered").all() == [(1, 19)]
    assert database.migrate(old) == (REVISION, None)


def test_the_counts_by_emotion_become_columns(log: str) -> None:
    engine = database.Place.of(log).writer()
    with engine.begin() as connection:
        config = migrating._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "5")
        connection.exec_driver_sql("INSERT INTO device (key, name) VALUES (1, 'kitchen'), (2, 'hallway')")
        connection.exec_driver_sql(
            "INSERT INTO rollup VALUES (1, 5, 3, 9, 70000, 8, 60000), (1, 5, 6, 2, 9000, 0, 0), (2, 4, 0, 1, 500, 0, 0)"
        )
    engine.dispose()
    assert database.migrate(log)[0] == "5"
    with open_for_reading(log).connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM rollup ORDER BY device").mappings().all()
    others = [{name: value for name, value in row.items() if value} for row in rows]
    assert others == [
        {"device": 1, "quarter": 5, "neutral": 2, "neutral_confidence": 9000}
        | {"happy": 9, "happy_confidence": 70000, "happy_forgotten": 8, "happy_forgotten_confidence": 60000},
        {"device": 2, "quarter": 4, "angry": 1, "angry_confidence": 500},
    ]


def test_views_that_people_made_survive_or_are_named(log: str) -> None:
    open_for_writing(log).dispose()
    engine = database.Place.of(log).writer()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE VIEW of_people AS SELECT device, observations FROM emotion_counts")
    engine.dispose()
    if "postgresql" in log:
        with pytest.raises(DatabaseError, match="drop the views that are made of mien's, try again"):
            database.migrate(log)
    else:
        database.migrate(log)
        with open_for_reading(log).connect() as connection:
            assert connection.exec_driver_sql("SELECT * FROM of_people").all() == []


def test_a_migration_that_fails_leaves_the_log_as_it_was(old: Path) -> None:
    with sqlite3.connect(old) as connection:
        connection.execute("CREATE TABLE rollup (in_the_way)")
    with pytest.raises(DatabaseError, match="rollup"):
        database.migrate(old)
    with sqlite3.connect(old) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'answered'").fetchone() == (0,)
        connection.execute("DROP TABLE rollup")
    assert database.migrate(old)[0] == "1"


def test_one_file_takes_one_collector(path: Path) -> None:
    place = database.Place.of(path)
    with (
        place.only_collector(),
        pytest.raises(DatabaseError, match=r"another collector writes to .*mien.db"),
        place.only_collector(),
    ):
        pass
    with place.only_collector():  # free again
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = database.Place.of(tmp_path / "file" / "mien.db")
    with pytest.raises(DatabaseError, match=r"mien.db cannot be opened"), place.only_collector():
        pass

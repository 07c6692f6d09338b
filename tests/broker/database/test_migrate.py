"""A new log has the tables of the schema, and migrations keep its rows: on SQLite and PostgreSQL.

This release has a single revision: the tests simulate the next release, which has a second one.
"""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from postgresql import PostgreSQL
from progress_recorder import ProgressRecorder
from samples import make_observation
from sqlalchemy import Engine, inspect
from sqlalchemy.engine.interfaces import ReflectedIndex

from mien.broker.database import migrate as migrate_module
from mien.broker.database import schema
from mien.broker.database.engine import migrate, open_for_reading, open_for_writing
from mien.broker.database.location import DatabaseLocation
from mien.broker.database.schema import REVISION, metadata
from mien.broker.database.views import view_definitions
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.cli import main
from mien.errors import DatabaseError
from mien.messages.observation import encode_observation

ROWS = 19
NEXT_REVISION = '''
"""Adds a table and changes a column that the view emotion_log reads."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade():
    op.create_table("room", sa.Column("key", sa.Integer, primary_key=True))
    op.add_column("device", sa.Column("room", sa.Integer))
    if op.get_bind().dialect.name == "postgresql":  # which refuses this as long as the view exists
        op.alter_column("observation", "latency_ms", type_=sa.BigInteger)
'''


@pytest.fixture
def old_log(log: str) -> str:
    """A log of this release with observations and a rejected message, but with views of an older release."""
    engine = open_for_writing(log)
    topic = "mien/hallway/observation"
    payloads = [encode_observation(make_observation(seq=seq)) for seq in range(1, ROWS + 1)]
    Store(engine).record(
        [
            decode_message(topic=topic, payload=payload, received_ms=1_800_000_000_000, device="hallway")
            for payload in [*payloads, b"noise"]
        ]
    )
    with engine.begin() as connection:
        for view in view_definitions(connection.dialect.name):
            connection.exec_driver_sql(f"DROP VIEW {view}")
        connection.exec_driver_sql("CREATE VIEW emotion_log AS SELECT seq, latency_ms FROM observation")
    engine.dispose()
    return log


@pytest.fixture
def upgrade_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Continue as the next release."""

    def upgrade() -> None:
        scripts = tmp_path / "migrations"
        shutil.copytree(migrate_module.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
        (scripts / "versions" / "v2_room.py").write_text(NEXT_REVISION)
        monkeypatch.setattr(migrate_module, "SCRIPTS", scripts)
        monkeypatch.setattr(schema, "REVISION", "2")

    return upgrade


def reflect(engine: Engine) -> dict[str, Any]:
    """Everything that the database knows about its tables, without Alembic's own."""
    inspector = inspect(engine)
    tables: dict[str, Any] = {}
    for name in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        tables[name] = {
            "columns": [column | {"type": repr(column["type"])} for column in inspector.get_columns(name)],
            "primary key": inspector.get_pk_constraint(name),
            "foreign keys": sorted(inspector.get_foreign_keys(name), key=repr),
            "unique": sorted(inspector.get_unique_constraints(name), key=repr),
            "checks": inspector.get_check_constraints(name),
            "indexes": sorted((_with_text(index) for index in inspector.get_indexes(name)), key=repr),
            "options": inspector.get_table_options(name),
        }
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            query = "SELECT name, sql FROM sqlite_master WHERE type != 'view' AND tbl_name != 'alembic_version'"
            tables["statements"] = sorted(connection.exec_driver_sql(query).all(), key=repr)
    return tables


def _with_text(index: ReflectedIndex) -> dict[str, Any]:
    """An index whose condition, if it has one, can be compared."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def test_a_new_log_has_the_tables_of_the_schema(log: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    engine = open_for_writing(log)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == REVISION
    other: str = str(tmp_path / "schema.db")
    if "://" in log:
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        other = server.database(uuid4().hex)
    other_engine = DatabaseLocation.parse(other).create_writer()
    metadata.create_all(other_engine)
    assert reflect(engine) == reflect(other_engine)
    assert reflect(engine).keys() >= metadata.tables.keys()
    assert set(inspect(engine).get_view_names()) == {"emotion_log", "emotion_counts"}
    other_engine.dispose()
    engine.dispose()


def test_a_log_of_a_newer_release_is_not_touched(log: str) -> None:
    engine = open_for_writing(log)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '99'")
    engine.dispose()
    for change_log in (open_for_writing, migrate):
        with pytest.raises(DatabaseError, match="was written by a newer release: upgrade mien"):
            change_log(log)
    with pytest.raises(DatabaseError, match="is not an emotion log of this release"):
        open_for_reading(log)


def test_a_log_of_an_older_release_needs_its_migration(old_log: str, upgrade_release: Callable[[], None]) -> None:
    upgrade_release()
    for open_log in (open_for_writing, open_for_reading):
        with pytest.raises(
            DatabaseError, match=rf"an older (release|one).*`mien db migrate --db {re.escape(old_log)}`"
        ):
            open_log(old_log)


def test_a_migration_keeps_every_row_and_a_copy_of_the_file(old_log: str, upgrade_release: Callable[[], None]) -> None:
    path = DatabaseLocation.parse(old_log).path
    before = path.read_bytes() if path else b""
    upgrade_release()
    former_revision, copy = migrate(old_log, progress := ProgressRecorder())
    assert former_revision == "1"
    assert progress.reports.keys() == ({"copying pages", "migrations"} if path else {"migrations"})
    assert {completed == total for total, completed in progress.reports.values()} == {True}
    assert progress.reports["migrations"] == (1, 1)
    if path:
        assert copy is not None
        assert copy.name.startswith("mien.db.")
        assert copy.name.endswith("-before-2")
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT count(*) FROM observation").fetchone() == (ROWS,)
            assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'room'").fetchone() == (0,)
        assert before != path.read_bytes()
    else:
        assert copy is None
    with open_for_reading(old_log).connect() as reader:
        query = reader.exec_driver_sql
        assert query("SELECT count(*) FROM emotion_log WHERE emotion = 'happy'").scalar() == ROWS
        assert query("SELECT count(*) FROM rejected").scalar() == 1
        assert query("SELECT sum(observations) FROM emotion_counts").scalar() == ROWS
        assert query("SELECT first, last FROM acked_range").all() == [(1, ROWS)]
        assert query("SELECT name, room FROM device").all() == [("hallway", None)]
    assert migrate(old_log) == ("2", None)


def test_views_of_users_survive_or_are_named(log: str) -> None:
    open_for_writing(log).dispose()
    engine = DatabaseLocation.parse(log).create_writer()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE VIEW custom AS SELECT device, observations FROM emotion_counts")
    engine.dispose()
    if "postgresql" in log:
        with pytest.raises(DatabaseError, match="drop the views that depend on mien's views, try again"):
            migrate(log)
    else:
        migrate(log)
        with open_for_reading(log).connect() as reader:
            assert reader.exec_driver_sql("SELECT * FROM custom").all() == []


def test_a_failed_migration_leaves_the_log_unchanged(old_log: str, upgrade_release: Callable[[], None]) -> None:
    engine = DatabaseLocation.parse(old_log).create_writer()
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE device ADD COLUMN room INTEGER")  # in the way
    upgrade_release()
    with pytest.raises(DatabaseError, match="room"):
        migrate(old_log)
    if path := DatabaseLocation.parse(old_log).path:
        assert not [*path.parent.glob("*-before-2")]
    assert not inspect(engine).has_table("room")
    assert set(inspect(engine).get_view_names()) == {"emotion_log"}
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "1"
        connection.exec_driver_sql("ALTER TABLE device DROP COLUMN room")
    engine.dispose()
    assert migrate(old_log)[0] == "1"


def test_a_file_in_use_by_a_collector_is_not_migrated(tmp_path: Path) -> None:
    log = tmp_path / "mien.db"
    open_for_writing(log).dispose()
    with (
        DatabaseLocation.parse(log).collector_lock(),
        pytest.raises(DatabaseError, match=r"another collector writes to .*mien.db: stop it"),
    ):
        migrate(log)


def test_the_command_reports_what_it_did(
    old_log: str, upgrade_release: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "migrate", "--db", old_log]) == 0
    assert capsys.readouterr().out == f"{old_log} is up to date, at revision {REVISION}\n"
    upgrade_release()
    assert main(["db", "migrate", "--db", old_log]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"{old_log} was migrated from revision 1 to 2")
    assert ("-before-2" in output) == ("://" not in old_log)


def test_the_command_does_not_create_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "migrate", "--db", str(tmp_path / "mien.db")]) == 8
    assert "mien.db does not exist" in capsys.readouterr().err

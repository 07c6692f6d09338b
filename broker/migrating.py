"""Brings the tables of an emotion log to this release's form."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from mien.errors import DatabaseError

from .bar import Bar, unseen
from .view import views

if TYPE_CHECKING:
    from alembic.config import Config

logging.getLogger("alembic").setLevel(logging.WARNING)  # before its import, which talks


def found(connection: Connection, name: str) -> str | None:
    """The step that a log stands at, None if the database is empty.

    DatabaseError if its tables are another program's or of a newer release, or if it cannot hold every text.
    """
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise DatabaseError(f"{name} is in {encoding}: make it with CREATE DATABASE ... ENCODING 'UTF8'")
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        revision = _first_release(connection)
        if revision is None and inspect(connection).get_table_names():
            raise DatabaseError(f"{name} is some other program's database: name another")
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseError(f"{name} was made by a newer mien: upgrade this one")
    return revision


def migrate(connection: Connection, name: str, bar: Bar = unseen) -> None:
    """Take the steps that are missing, inside the connection's transaction. DatabaseError as for `found`."""
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config()
    config.attributes["connection"] = connection
    step = found(connection, name)
    if step == "1" and _first_release(connection):
        command.stamp(config, "1")
    # No step makes the views: they always follow the release that reads them.
    made = views(connection.dialect.name)
    for name in made:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    missing = [*ScriptDirectory.from_config(config).iterate_revisions("head", step or "base")]
    with bar("steps", len(missing)) as advance:
        config.attributes["step"] = lambda **_: advance(1)
        command.upgrade(config, "head")
    for statement in made.values():
        connection.exec_driver_sql(statement)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA user_version = 0")  # Alembic's table counts now


def _first_release(connection: Connection) -> str | None:
    """The first release counted in SQLite's user_version, without Alembic."""
    if connection.dialect.name != "sqlite":
        return None
    version = connection.execute(text("PRAGMA user_version")).scalar_one()
    return str(version) if version else None


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config

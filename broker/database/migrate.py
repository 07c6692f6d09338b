"""Migrates the tables of an emotion log to the schema of this release."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from mien.errors import DatabaseError
from mien.progress import ProgressReporter, no_progress

from .views import view_definitions

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent / "migrations"
"""Alembic's script folder."""

logging.getLogger("alembic").setLevel(logging.WARNING)  # before its import, which logs


def current_revision(connection: Connection, name: str) -> str | None:
    """The revision of a log; None if the database is empty.

    DatabaseError if the tables are another program's or a newer release's, or if the encoding cannot hold all text.
    """
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise DatabaseError(
                f"{name} has the encoding {encoding}: create it with CREATE DATABASE ... ENCODING 'UTF8'"
            )
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        if inspect(connection).get_table_names():
            raise DatabaseError(f"{name} belongs to another program: name another database")
        return None
    if revision not in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}:
        raise DatabaseError(f"{name} was written by a newer release: upgrade mien")
    return revision


def upgrade(connection: Connection, name: str, progress: ProgressReporter = no_progress) -> None:
    """Run the missing migrations in the connection's transaction. DatabaseError as for `current_revision`."""
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config()
    config.attributes["connection"] = connection
    revision = current_revision(connection, name)
    # The views belong to no revision: they are always those of the release that reads them.
    views = view_definitions(connection.dialect.name)
    for view in views:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view}")
    missing = [*ScriptDirectory.from_config(config).iterate_revisions("head", revision or "base")]
    with progress("migrations", len(missing)) as advance:
        config.attributes["on_version_apply"] = lambda **_: advance(1)
        command.upgrade(config, "head")
    for statement in views.values():
        connection.exec_driver_sql(statement)


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config

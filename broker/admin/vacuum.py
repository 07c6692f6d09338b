"""Releases the disk space of deleted rows."""

from collections.abc import Callable

from sqlalchemy import Engine

from mien.broker.database.engine import first_line
from mien.errors import DatabaseError

from .captures import delete_unused_captures


def vacuum_log(engine: Engine, advance: Callable[[int], None]) -> None:
    """Delete the captures that no longer have rows, then rewrite the tables without unused space.

    `advance` is called after each of the two steps. Collectors wait meanwhile, and devices keep what they would send.
    DatabaseError if the log cannot be written, or if the disk is too full for the copy that SQLite makes.
    """
    delete_unused_captures(engine, engine)
    advance(1)
    driver = engine.raw_connection()
    try:
        if engine.dialect.name == "postgresql":
            driver.driver_connection.autocommit = True  # type: ignore[union-attr]
        cursor = driver.cursor()
        cursor.execute("VACUUM" if engine.dialect.name == "sqlite" else "VACUUM (ANALYZE)")
        if engine.dialect.name == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.execute("PRAGMA optimize")
    except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]
        hint = "free some disk space, or try again when the log is less busy"
        raise DatabaseError(f"the emotion log cannot be vacuumed ({first_line(error)}): {hint}") from error
    finally:
        driver.invalidate()
    advance(1)

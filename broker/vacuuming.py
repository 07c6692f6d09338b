"""Gives back the room that deleted rows have left."""

from collections.abc import Callable

from sqlalchemy import Engine, delete, exists, select

from mien.errors import DatabaseError

from .database import first_line, writing
from .schema import capture, observation


def vacuum(engine: Engine, step: Callable[[int], None]) -> None:
    """Delete the ids of wakes that have no row any more, then rewrite the tables without holes.

    `step` hears of each of the two. Collectors wait meanwhile, and devices keep what they send to them. DatabaseError
    if the log cannot be written, or the disk has no room for the copy that SQLite makes.
    """
    with writing(engine) as connection:
        without_rows = ~exists(select(1).where(observation.c.capture == capture.c.key))
        if connection.dialect.name == "sqlite":  # one pass over the rows; PostgreSQL plans that by itself
            without_rows = capture.c.key.not_in(select(observation.c.capture).distinct())
        connection.execute(delete(capture).where(without_rows))
    step(1)
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
        cure = "make room on the disk, or try again when the log is less in use"
        raise DatabaseError(f"the emotion log cannot be rewritten ({first_line(error)}): {cure}") from error
    finally:
        driver.invalidate()
    step(1)

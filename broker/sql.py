"""One statement of somebody's own SQL, which reads and does not write."""

import sqlite3
from typing import Any

from sqlalchemy import Engine

from mien.errors import QueryStopped, UsageError

from .database import STOPPED, first_line, reading, stopped

MOST_ROWS = 100_000
ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
"""What SQLite may do for such a statement: not even open another file."""


def run_sql(engine: Engine, statement: str) -> list[dict[str, Any]]:
    """The rows of one statement, at most 100,000, as the database gives them.

    UsageError if it is wrong, would write, has more rows, or is more than one; else errors as for `reading`.
    """
    with reading(engine) as connection, connection.begin():
        driver: Any = connection.connection.dbapi_connection
        try:
            rows = _sqlite(driver, statement) if connection.dialect.name == "sqlite" else _postgresql(driver, statement)
        except (driver.Error, UnicodeError, ValueError) as error:
            if stopped(error):
                raise QueryStopped(STOPPED) from error
            cure = "write one SELECT, such as SELECT at, device, emotion FROM emotion_log LIMIT 5"
            raise UsageError(f"the log does not answer this SQL ({first_line(error)}): {cure}") from error
    if len(rows) > MOST_ROWS:
        raise UsageError(f"this SQL gives more than {MOST_ROWS} rows: narrow it with WHERE or LIMIT")
    return rows


def _sqlite(driver: Any, statement: str) -> list[dict[str, Any]]:
    driver.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY)
    try:
        return _fetched(driver.execute(statement))
    finally:
        driver.set_authorizer(None)


def _postgresql(driver: Any, statement: str) -> list[dict[str, Any]]:
    return _fetched(driver.cursor().execute(statement, prepare=True))  # prepared statements are single ones


def _fetched(cursor: Any) -> list[dict[str, Any]]:
    if cursor.description is None:
        raise ValueError("it gives no rows")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(MOST_ROWS + 1)]

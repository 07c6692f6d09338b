"""Runs a read-only SQL statement that a user wrote."""

import sqlite3
from datetime import tzinfo
from typing import Any

from sqlalchemy import Engine

from mien.broker.database.engine import QUERY_TIMEOUT_MESSAGE, first_line, is_query_timeout, read_transaction
from mien.errors import QueryTimeout, UsageError

from .result import Result

MAX_ROWS = 100_000
ALLOWED_ACTIONS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
"""What SQLite may do for such a statement; it may not even open another file."""


def run_sql(engine: Engine, statement: str, *, zone: tzinfo | None) -> Result[dict[str, Any]]:
    """The rows of one statement, at most 100,000, as the database returns them; `zone` is that of its data frames.

    UsageError if it is invalid, would write, returns more rows, or is more than one statement; other errors as for
    `read_transaction`.
    """
    with read_transaction(engine) as connection, connection.begin():
        driver: Any = connection.connection.dbapi_connection
        run = _run_sqlite if connection.dialect.name == "sqlite" else _run_postgresql
        try:
            columns, rows = run(driver, statement)
        except (driver.Error, UnicodeError, ValueError) as error:
            if is_query_timeout(error):
                raise QueryTimeout(QUERY_TIMEOUT_MESSAGE) from error
            hint = "write one SELECT, such as SELECT at, device, emotion FROM emotion_log LIMIT 5"
            raise UsageError(f"this SQL cannot be run ({first_line(error)}): {hint}") from error
    if len(rows) > MAX_ROWS:
        raise UsageError(f"this SQL returns more than {MAX_ROWS} rows: add a WHERE or LIMIT clause")
    return Result(rows, columns, zone=zone, source="your SQL")


def _run_sqlite(driver: Any, statement: str) -> tuple[dict[str, None], list[dict[str, Any]]]:
    driver.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in ALLOWED_ACTIONS else sqlite3.SQLITE_DENY)
    try:
        return _fetch_rows(driver.execute(statement))
    finally:
        driver.set_authorizer(None)


def _run_postgresql(driver: Any, statement: str) -> tuple[dict[str, None], list[dict[str, Any]]]:
    # A prepared statement cannot contain several statements.
    return _fetch_rows(driver.cursor().execute(statement, prepare=True))


def _fetch_rows(cursor: Any) -> tuple[dict[str, None], list[dict[str, Any]]]:
    """The columns, whose types the database does not know, and the rows."""
    if cursor.description is None:
        raise ValueError("it returns no rows")
    names = [column[0] for column in cursor.description]
    return dict.fromkeys(names), [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(MAX_ROWS + 1)]

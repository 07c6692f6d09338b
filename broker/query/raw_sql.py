"""Runs a read-only SQL statement that a user wrote, within limits of time and memory."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from sys import getsizeof
from threading import Timer
from typing import Any

from sqlalchemy import Connection, Engine

from mien.broker.database.engine import QUERY_TIMEOUT_MESSAGE, first_line, is_query_timeout, read_transaction
from mien.errors import QueryTimeout, UsageError
from mien.output import to_printable

from .result import Result

MAX_ROWS = 100_000
MAX_RESULT_BYTES = 512 * 1024 * 1024
"""As Python objects: 100,000 rows of emotion_log take half of it."""
MAX_VALUE_BYTES = 1024 * 1024
"""In SQLite; functions that search in a longer text could take minutes, in which SQLite looks at no time limit."""
SQLITE_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 32,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""Together they bound what a row can hold while it is computed (https://sqlite.org/limits.html)."""
ALLOWED_ACTIONS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
"""What SQLite may do for such a statement; it may not even open another file."""
FETCH_BYTES = 4 * 1024 * 1024
MAX_FETCH_ROWS = 2000
"""How much one FETCH asks PostgreSQL for."""
UNSAFE_ROLES = "pg_read_server_files", "pg_write_server_files", "pg_execute_server_program"
IS_UNSAFE_ROLE = """
    SELECT bool_or(rolsuper OR pg_has_role(session_user, unsafe, 'MEMBER')) FROM pg_roles, unnest(%s::name[]) AS unsafe
    WHERE rolname = session_user
"""
"""Of the session, not of the current role, which a SELECT can change."""
Row = Sequence[Any]


def run_sql(
    engine: Engine, statement: str, *, zone: tzinfo | None, timeout_s: float | None = None
) -> Result[dict[str, Any]]:
    """The rows of one statement, at most 100,000, as the database returns them; `zone` is that of its data frames.

    Nothing of it remains: its transaction is rolled back and its connection closed. UsageError if it is invalid, would
    write, returns more rows, needs too much memory, is more than one statement, or if the database would let it do more
    than read; other errors as for `read_transaction`.
    """
    end_s = None if timeout_s is None else time.monotonic() + timeout_s
    with read_transaction(engine) as connection, _undone(connection):
        driver: Any = connection.connection.dbapi_connection
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:
            _check_role(connection)
        try:
            with _open_sqlite(driver, statement, timeout_s) if is_sqlite else _open_postgresql(driver, statement) as it:
                columns, batches = it
                rows = _collect(columns, batches, end_s)
        except (driver.Error, UnicodeError, ValueError) as error:
            if is_query_timeout(error):
                raise QueryTimeout(QUERY_TIMEOUT_MESSAGE) from error
            hint = "write one SELECT, such as SELECT at, device, emotion FROM emotion_log LIMIT 5"
            raise UsageError(f"this SQL cannot be run ({to_printable(first_line(error))}): {hint}") from error
        except MemoryError as error:
            raise UsageError(_memory_message("needs more memory than it may use")) from error
    return Result(rows, dict.fromkeys(columns), zone=zone, source="your SQL")


@contextmanager
def _undone(connection: Connection) -> Iterator[None]:
    """Roll back, and close the connection: advisory locks, for example, do not end with their transaction."""
    transaction = connection.begin()
    try:
        yield
    finally:
        transaction.rollback()
        connection.invalidate()


@contextmanager
def _open_sqlite(
    driver: Any, statement: str, timeout_s: float | None
) -> Iterator[tuple[list[str], Iterator[Sequence[Row]]]]:
    """The columns and the rows, in batches. The connection is of no other use afterwards."""
    for limit, value in SQLITE_LIMITS.items():
        driver.setlimit(limit, min(value, driver.getlimit(limit)))
    driver.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in ALLOWED_ACTIONS else sqlite3.SQLITE_DENY)
    timer = Timer(timeout_s or 0.0, driver.interrupt)  # the progress handler is called only every 10,000 instructions
    if timeout_s is not None:
        timer.start()
    try:
        cursor = driver.execute(statement)
        yield _column_names(cursor), iter(lambda: cursor.fetchmany(1), [])
    finally:
        timer.cancel()
        if timeout_s is not None:
            timer.join()  # before the connection is closed
        driver.set_authorizer(None)  # lets it roll back


@contextmanager
def _open_postgresql(driver: Any, statement: str) -> Iterator[tuple[list[str], Iterator[Sequence[Row]]]]:
    """As `_open_sqlite`, through a cursor on the server, which fetches no more than is asked for.

    psycopg declares it with the extended query protocol, in which a command cannot contain several statements.
    """

    def fetch(cursor: Any) -> Iterator[Sequence[Row]]:
        row_count = 1
        while rows := cursor.fetchmany(row_count):
            yield rows
            row_bytes = max(1, sum(map(_size, rows)) // len(rows))
            row_count = max(1, min(MAX_FETCH_ROWS, 2 * row_count, FETCH_BYTES // row_bytes))

    with driver.cursor(name="mien") as cursor:
        cursor.execute(statement)
        yield _column_names(cursor), fetch(cursor)


def _collect(columns: list[str], batches: Iterator[Sequence[Row]], end_s: float | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    size_bytes = 0
    for batch in batches:
        for row in batch:
            rows.append(dict(zip(columns, row, strict=True)))
            size_bytes += _size(row) + getsizeof(rows[-1])
        if len(rows) > MAX_ROWS:
            raise UsageError(f"this SQL returns more than {MAX_ROWS} rows: add a WHERE or LIMIT clause")
        if size_bytes > MAX_RESULT_BYTES:
            raise UsageError(_memory_message(f"returns more than {MAX_RESULT_BYTES // 1024**2} MiB"))
        if end_s is not None and time.monotonic() > end_s:
            raise QueryTimeout(QUERY_TIMEOUT_MESSAGE)
    return rows


def _size(row: Row) -> int:
    """The memory that the values of a row take, in bytes."""
    return sum(getsizeof(str(value) if isinstance(value, list | dict) else value) for value in row)


def _column_names(cursor: Any) -> list[str]:
    if cursor.description is None:
        raise ValueError("it returns no rows")
    return [column[0] for column in cursor.description]


def _check_role(connection: Connection) -> None:
    """UsageError if the role may do more than read this database, by functions that a SELECT can call."""
    if connection.exec_driver_sql(IS_UNSAFE_ROLE, (list(UNSAFE_ROLES),)).scalar():
        raise UsageError(
            "your SQL is not run as a superuser, or as a role that can use the server's files: make one that can only "
            "read, CREATE ROLE mien_reader LOGIN PASSWORD '...'; GRANT SELECT ON ALL TABLES IN SCHEMA public "
            "TO mien_reader; and use postgresql://mien_reader@HOST/DATABASE"
        )


def _memory_message(problem: str) -> str:
    return f"this SQL {problem}: select fewer rows or columns, or shorter values"

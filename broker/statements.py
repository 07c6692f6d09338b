"""Plain SQL for what runs once a message: SQLAlchemy's own statements cost several times the work of the database.

Values must be what both drivers take as they are: integers, text, bytes, None.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    """Insert rows whose values stand in the order of `columns`."""
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join([_mark(connection)] * len(columns))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)


def rows_by_id(connection: Connection, table: Table, columns: str, ids: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """`columns` of the rows of a table with one of these ids."""
    if not ids:
        return []
    padded = tuple(_padded(ids))
    marks = ", ".join([_mark(connection)] * len(padded))
    statement = f"SELECT {columns} FROM {table.name} WHERE id IN ({marks})"
    return [tuple(row) for row in connection.exec_driver_sql(statement, padded)]


def rows_joined(connection: Connection, values: Sequence[tuple[int, ...]], query: str) -> list[tuple[Any, ...]]:
    """What a query finds for tuples of numbers that stand in it as `{values}`; one may come twice there."""
    padded = _padded(values)
    marks = ", ".join([f"({', '.join([_mark(connection)] * len(values[0]))})"] * len(padded))
    statement = query.format(values=f"VALUES {marks}")
    return [tuple(row) for row in connection.exec_driver_sql(statement, tuple(chain.from_iterable(padded)))]


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insertion that can say what to do where the key is there already (`on_conflict_do_update`)."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _padded(values: Sequence[Any]) -> list[Any]:
    """To a power of two, so that the drivers prepare and keep eleven statements rather than a thousand."""
    return [*values, *[values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))]


def _mark(connection: Connection) -> str:
    return "?" if connection.dialect.name == "sqlite" else "%s"

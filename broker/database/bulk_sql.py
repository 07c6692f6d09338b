"""Plain SQL for the statements that run for every message: building them in SQLAlchemy costs more than executing them.

Values must be of types that both drivers accept unconverted: integers, text, bytes, None.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    """Insert rows whose values are in the order of `columns`."""
    names = ", ".join(f'"{name}"' for name in columns)
    placeholders = ", ".join([_placeholder(connection)] * len(columns))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({placeholders})", rows)


def select_by_id(connection: Connection, table: Table, columns: str, ids: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """`columns` of the rows of a table that have one of these ids."""
    if not ids:
        return []
    padded = tuple(_pad_to_power_of_two(ids))
    placeholders = ", ".join([_placeholder(connection)] * len(padded))
    statement = f"SELECT {columns} FROM {table.name} WHERE id IN ({placeholders})"
    return [tuple(row) for row in connection.exec_driver_sql(statement, padded)]


def select_with_values(connection: Connection, values: Sequence[tuple[int, ...]], query: str) -> list[tuple[Any, ...]]:
    """The result of a query that contains `{values}`, which becomes a VALUES list; its last tuple may be repeated."""
    padded = _pad_to_power_of_two(values)
    row = f"({', '.join([_placeholder(connection)] * len(values[0]))})"
    statement = query.format(values=f"VALUES {', '.join([row] * len(padded))}")
    return [tuple(row) for row in connection.exec_driver_sql(statement, tuple(chain.from_iterable(padded)))]


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that supports `on_conflict_do_update`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _pad_to_power_of_two(values: Sequence[Any]) -> list[Any]:
    """So that the drivers prepare and cache eleven statements rather than a thousand."""
    return [*values, *[values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))]


def _placeholder(connection: Connection) -> str:
    return "?" if connection.dialect.name == "sqlite" else "%s"

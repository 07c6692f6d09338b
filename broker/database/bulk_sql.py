"""Plain SQL for the statements that run for every message: building them in SQLAlchemy costs more than executing them.

Values must be of types that both drivers accept unconverted: integers, text, bytes, None.
"""

from collections.abc import Sequence
from contextlib import closing
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Select, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    """Insert rows whose values are in the order of `columns`."""
    names = ", ".join(f'"{name}"' for name in columns)
    if connection.dialect.name == "sqlite":
        placeholders = ", ".join(["?"] * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({placeholders})", rows)
    else:
        _copy_rows(connection, f"COPY {table.name} ({names}) FROM STDIN", rows)


def lookup_keys(connection: Connection, table: Table, names: set[Any]) -> dict[Any, int]:
    """The key of each name in a table of names; new names are inserted."""
    if not names:
        return {}
    query = select(table.c.name, table.c.key).where(table.c.name.in_(names))
    keys = {row.name: row.key for row in connection.execute(query)}
    missing = names - keys.keys()
    if missing:
        # Another device's transaction may insert the same name now: then this one waits for it.
        statement = upsert(connection, table).on_conflict_do_nothing(index_elements=[table.c.name])
        connection.execute(statement, [{"name": name} for name in sorted(missing)])
        keys = {row.name: row.key for row in connection.execute(query)}
    return keys


def select_by_id(connection: Connection, table: Table, columns: str, ids: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """`columns` of the rows of a table that have one of these ids."""
    if not ids:
        return []
    padded = tuple(_pad_to_power_of_two(ids))
    placeholders = ", ".join([_placeholder(connection)] * len(padded))
    statement = f"SELECT {columns} FROM {table.name} WHERE id IN ({placeholders})"
    return [tuple(row) for row in connection.exec_driver_sql(statement, padded)]


def fetch_columns(connection: Connection, query: Select[Any]) -> list[Sequence[Any]]:
    """The columns of a query's result, as the driver returns them: for many rows of integers, text and bytes."""
    result = connection.execute(query)
    width = len(result.keys())
    rows = result.cursor.fetchall()  # type: ignore[union-attr]
    result.close()
    return list(zip(*rows, strict=True)) if rows else [()] * width


def select_with_values(connection: Connection, values: Sequence[tuple[int, ...]], query: str) -> list[tuple[Any, ...]]:
    """The result of a query that contains `{values}`, which becomes a VALUES list; its last tuple may be repeated."""
    padded = _pad_to_power_of_two(values)
    row = f"({', '.join([_placeholder(connection)] * len(values[0]))})"
    statement = query.format(values=f"VALUES {', '.join([row] * len(padded))}")
    return [tuple(row) for row in connection.exec_driver_sql(statement, tuple(chain.from_iterable(padded)))]


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that supports `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _copy_rows(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """PostgreSQL's COPY: twice as fast as INSERT, at a fifth of the client's time. Raises SQLAlchemy's errors."""
    driver_error = connection.dialect.loaded_dbapi.Error
    try:
        with closing(connection.connection.cursor()) as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except driver_error as error:
        raise DBAPIError.instance(statement, None, error, driver_error, dialect=connection.dialect) from error


def _pad_to_power_of_two(values: Sequence[Any]) -> list[Any]:
    """So that the drivers prepare and cache eleven statements rather than a thousand."""
    return [*values, *[values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))]


def _placeholder(connection: Connection) -> str:
    return "?" if connection.dialect.name == "sqlite" else "%s"

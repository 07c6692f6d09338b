"""Short integer keys for the long names that every row refers to: devices, outboxes, captures, models, agents."""

from typing import Any

from sqlalchemy import Connection, Table, insert, select


def lookup_keys(connection: Connection, table: Table, names: set[Any]) -> dict[Any, int]:
    """The key of each name; new names are inserted."""
    if not names:
        return {}
    query = select(table.c.name, table.c.key).where(table.c.name.in_(names))
    keys = {row.name: row.key for row in connection.execute(query)}
    missing = names - keys.keys()
    if missing:
        connection.execute(insert(table), [{"name": name} for name in sorted(missing)])
        keys = {row.name: row.key for row in connection.execute(query)}
    return keys

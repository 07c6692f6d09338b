"""Short numbers for the long names that stand in every row: devices, outboxes, captures, models, agents."""

from typing import Any

from sqlalchemy import Connection, Table, insert, select


def keys(connection: Connection, table: Table, names: set[Any]) -> dict[Any, int]:
    """The short number of each name; names not yet known get one."""
    if not names:
        return {}
    wanted = select(table.c.name, table.c.key).where(table.c.name.in_(names))
    known = {row.name: row.key for row in connection.execute(wanted)}
    missing = names - known.keys()
    if missing:
        connection.execute(insert(table), [{"name": name} for name in sorted(missing)])
        known = {row.name: row.key for row in connection.execute(wanted)}
    return known

"""Lists observations of the emotion log, page by page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, and_, func, or_, select

from mien.broker.database import schema
from mien.broker.database.bulk_sql import fetch_columns
from mien.broker.database.columns import COLUMNS, LOOKUP_COLUMNS, ObservationRow, decode_rows
from mien.broker.database.engine import read_transaction
from mien.broker.database.schema import observation
from mien.broker.row import ColumnRows, column_types
from mien.errors import UsageError

from .filters import Filter
from .resolved_filter import ResolvedFilter, resolve_filter, time_conditions
from .result import Result

OBSERVATION_NOTE = "One observation is one tracked face over a reporting interval (1 s by default), not one person."
NO_OBSERVATIONS = "no observations match"
"""What is printed instead of an empty table."""
PAGE_ROWS = 1000
AT = [column.name for column in COLUMNS].index("at")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the log, just after one observation: the next page starts there."""

    at_ms: int
    key: int

    def __str__(self) -> str:
        return f"{self.at_ms}-{self.key}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The inverse of `str`. UsageError if the text is not a cursor."""
        at_ms, _, key = text.partition("-")
        if not (at_ms.isdecimal() and key.isdecimal() and len(text) < 40):
            raise UsageError(f"{text!r} is not a cursor: use `next` of the previous page", field="after")
        return cls(int(at_ms), int(key))


class Observations(Result[ObservationRow]):
    """Observations, with all columns."""

    def __init__(self, rows: Sequence[ObservationRow], *, zone: tzinfo | None) -> None:
        super().__init__(rows, column_types(ObservationRow), zone=zone)


class Page(Observations):
    """Some of the observations that match a filter."""

    def __init__(self, rows: Sequence[ObservationRow], *, zone: tzinfo | None, next_cursor: Cursor | None) -> None:
        super().__init__(rows, zone=zone)
        self.next = next_cursor
        """Where the next page starts; None if this is the last."""


def list_page(
    engine: Engine,
    log_filter: Filter,
    *,
    limit: int,
    zone: tzinfo | None,
    oldest_first: bool = False,
    after: Cursor | None = None,
) -> Page:
    """The newest observations, or the oldest ones, that come after a cursor in that order.

    Times are in `zone`, or in this machine's time zone. UsageError if the log has no such device or model;
    DatabaseError if it cannot be read, QueryTimeout or TooManyQueries as for `read_transaction`.
    """
    with read_transaction(engine) as connection:
        resolved = resolve_filter(connection, log_filter)
        # The index (device, time) returns one device's page in order; the pages of several devices are merged.
        device_lists = [[key] for key in resolved.devices] or [[]]
        filters = [ResolvedFilter(devices, resolved.emotions, resolved.conditions) for devices in device_lists]
        queries = [_page_query(device_filter, log_filter, limit + 1, oldest_first, after) for device_filter in filters]
        pages = [fetch_columns(connection, query) for query in queries]
    columns = pages[0]
    if len(pages) > 1:
        columns = [list(chain.from_iterable(parts)) for parts in zip(*pages, strict=True)]
        places = list(zip(columns[AT], columns[-1], strict=True))
        order = sorted(range(len(places)), key=places.__getitem__, reverse=not oldest_first)
        columns = [list(map(column.__getitem__, order)) for column in columns]
    next_cursor = Cursor(columns[AT][limit - 1], columns[-1][limit - 1]) if len(columns[-1]) > limit else None
    rows = decode_rows([column[:limit] for column in columns[:-1]], zone)
    return Page(rows, zone=zone, next_cursor=next_cursor)


def list_observations(engine: Engine, log_filter: Filter, *, limit: int, zone: tzinfo | None) -> Observations:
    """The newest observations, at most `limit`, oldest first. Errors as for `list_page`."""
    return Observations(list_page(engine, log_filter, limit=limit, zone=zone).rows[::-1], zone=zone)


def read_pages(engine: Engine, log_filter: Filter, *, zone: tzinfo | None) -> Iterator[Page]:
    """All observations, oldest first, in pages, so that neither memory nor a transaction grows with their number.

    There is at least one page, if only an empty one. Errors as for `list_page`.
    """
    page: Page | None = None
    while page is None or page.next:
        after = page.next if page else None
        page = list_page(engine, log_filter, limit=PAGE_ROWS, zone=zone, oldest_first=True, after=after)
        yield page


def count_rows(engine: Engine, log_filter: Filter) -> int:
    """The number of matching observations that still have rows. Errors as for `list_page`."""
    with read_transaction(engine) as connection:
        resolved = resolve_filter(connection, log_filter)
        in_range = time_conditions(log_filter.start_ms, log_filter.end_ms)
        query = select(func.count()).select_from(observation)
        return int(connection.execute(query.where(*resolved.row_conditions(), *in_range)).scalar_one())


def list_new_rows(
    connection: Connection, log_filter: Filter, *, after: int, end: int, limit: int, zone: tzinfo | None
) -> tuple[list[ObservationRow], int]:
    """The next observations in the order of their keys, up to `end`, and the key of the last; `after` if none."""
    resolved = resolve_filter(connection, log_filter)
    in_range = time_conditions(log_filter.start_ms, log_filter.end_ms)
    in_range += [observation.c.key > after, observation.c.key <= end]
    query = select_observations().where(*resolved.row_conditions(), *in_range)
    rows = connection.execute(query.order_by(observation.c.key).limit(limit)).all()
    return list(to_observation_rows(rows, zone)), rows[-1].key if rows else after


def _page_query(
    resolved: ResolvedFilter, log_filter: Filter, limit: int, oldest_first: bool, after: Cursor | None
) -> Select[Any]:
    in_range = time_conditions(log_filter.start_ms, log_filter.end_ms)
    query = select_observations().where(*resolved.row_conditions(), *in_range)
    at_ms, key = observation.c.at_ms, observation.c.key
    if after and oldest_first:
        query = query.where(at_ms >= after.at_ms, or_(at_ms > after.at_ms, and_(at_ms == after.at_ms, key > after.key)))
    elif after:
        query = query.where(at_ms <= after.at_ms, or_(at_ms < after.at_ms, and_(at_ms == after.at_ms, key < after.key)))
    order = (at_ms, key) if oldest_first else (at_ms.desc(), key.desc())
    return query.order_by(*order).limit(limit)


@cache
def select_observations() -> Select[Any]:
    """All columns of observations in order, with names in place of lookup keys, and at the end the row's key."""
    columns = (
        schema.lookup_tables[column.name].c.name.label(column.name)
        if column.is_lookup
        else observation.c[column.stored_as]
        for column in COLUMNS
    )
    query = select(*columns, observation.c.key).select_from(observation)
    for column in LOOKUP_COLUMNS:
        table = schema.lookup_tables[column.name]
        query = query.join(table, table.c.key == observation.c[column.stored_as])
    return query


def to_observation_rows(rows: Sequence[Row[Any]], zone: tzinfo | None) -> ColumnRows[ObservationRow]:
    """Rows of `select_observations` with their values decoded."""
    *columns, _keys = zip(*rows, strict=True) if rows else [()] * (len(COLUMNS) + 1)
    return decode_rows(columns, zone)

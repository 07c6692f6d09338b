"""Counts observations, from the rollup wherever it suffices and from the rows otherwise."""

from calendar import day_name
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache, reduce
from itertools import compress
from operator import add
from typing import Annotated, Any, NamedTuple

from msgspec import Meta
from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, func, null, select

from mien.broker.database.bulk_sql import fetch_columns
from mien.broker.database.encoding import SCALE, to_datetime
from mien.broker.database.engine import read_transaction
from mien.broker.database.schema import QUARTER_HOUR_MS, device, model, observation, rollup
from mien.broker.row import ColumnRows, Row, column_types
from mien.emotions import EMOTIONS, Emotion
from mien.messages.observation import UnitInterval

from .filters import Filter
from .resolved_filter import ResolvedFilter, resolve_filter, time_conditions
from .result import Result

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
YEARS = range(2000, 2200)
"""The years in which an observation's time may lie."""
TIME_GROUPS = ("minute", "hour", "day", "weekday")
MINUTE_COLUMNS = ("minute", "hour")
"""Whose times are printed without seconds."""
GroupValue = str | date | datetime
WEEKDAYS = tuple(f"{number} {name}" for number, name in enumerate(day_name, 1))
"""Numbered, so that they sort from Monday on."""


class Cells(NamedTuple):
    """Observations that the database has counted together, as columns; None in those that it did not group by.

    There may be 100,000 cells, so functions go over whole columns: a tuple for each would take longer than the query.
    """

    time_ms: list[int | None]
    device: list[int | None]
    emotion: list[int | None]
    model: list[int | None]
    observations: list[int]
    confidence: list[int]
    """The sum, in 1/SCALE."""

    @classmethod
    def empty(cls) -> "Cells":
        """Without cells."""
        return cls([], [], [], [], [], [])

    def extend(self, *columns: Iterable[Any]) -> None:
        """Add the cells of these columns."""
        own_columns: list[list[Any]] = [*self]  # type: ignore[list-item]  # NamedTuple's items have no common type
        for column, more in zip(own_columns, columns, strict=True):
            column.extend(more)


class CountRow(Row, frozen=True, kw_only=True):
    """A group, with those of its values that `by` names, and its counts."""

    minute: datetime | None = None
    """Start of the minute."""
    hour: datetime | None = None
    """Start of the hour."""
    day: date | None = None
    weekday: str | None = None
    """Such as `1 Monday`."""
    emotion: Emotion | None = None
    device: str | None = None
    model: str | None = None
    observations: Annotated[
        int, Meta(ge=0, description="Tracked-face seconds at the default reporting interval, not people.")
    ]
    share: UnitInterval
    """Of all observations counted."""
    mean_confidence: UnitInterval

    def to_dict(self) -> dict[str, Any]:
        """The row as a dictionary, without the columns that it was not grouped by."""
        return {name: value for name, value in super().to_dict().items() if value is not None}


def count_observations(
    engine: Engine, log_filter: Filter, *, by: Sequence[str], zone: tzinfo | None
) -> Result[CountRow]:
    """Count observations by group; groups are sorted by their values, emotions by count. `by` accepts any of GROUPS.

    Times are in `zone`, or in this machine's time zone. UsageError if the log has no such device or model;
    DatabaseError if it cannot be read, QueryTimeout or TooManyQueries as for `read_transaction`.
    """
    rows_only = log_filter.needs_rows or not {"minute", "model"}.isdisjoint(by)
    step_ms = MINUTE_MS if "minute" in by else _time_step_ms(zone)
    with read_transaction(engine) as connection:
        resolved = resolve_filter(connection, log_filter)
        count = _count_rows if rows_only else _count_rollup
        cells = count(connection, resolved, by, step_ms, log_filter.start_ms, log_filter.end_ms)
        devices, models = _names_by_key(connection, device), _names_by_key(connection, model)
        values = _sum_by_group(cells, by, zone, devices=devices, models=models)
    types = column_types(CountRow)
    names = tuple(values)
    rows = ColumnRows(lambda *row: CountRow(**dict(zip(names, row, strict=True))), values)
    columns = {name: types[name] for name in names}
    return Result(rows, columns, zone=zone, source=_describe_source(log_filter, by, rows_only=rows_only))


def _names_by_key(connection: Connection, table: Table) -> dict[int, str]:
    """The names of a table; grouping by their keys is faster than by the names."""
    return {row.key: row.name for row in connection.execute(select(table))}


def _sum_by_group(
    cells: Cells, by: Sequence[str], zone: tzinfo | None, *, devices: dict[int, str], models: dict[int, str]
) -> dict[str, list[Any]]:
    """The columns of the result: the values of each group, sorted by these, emotions by count; then its counts."""
    keys = {name: cells.time_ms if name in TIME_GROUPS else getattr(cells, name) for name in by}
    values = {
        name: {key: _group_value(name, key, zone, devices, models) for key in set(column)}
        for name, column in keys.items()
    }
    counts, sums = list(map(int, cells.observations)), list(map(int, cells.confidence))  # PostgreSQL's are decimals
    # A group is a number whose digits are the ranks of its values, the emotion's last. Before it is room for the count,
    # by which emotions are sorted: comparing numbers is faster than comparing tuples.
    most, emotions = sum(counts) + 1, len(values.get("emotion", ()))
    groups: list[int] = [0] * len(counts)
    weight = 1
    for name in sorted(by, key=lambda name: (name != "emotion", -by.index(name))):
        ranks = {value: rank for rank, value in enumerate(sorted(set(values[name].values())))}
        digits = {key: ranks[value] * weight for key, value in values[name].items()}
        groups = list(map(add, groups, map(digits.__getitem__, keys[name])))
        weight *= len(ranks) * (most if name == "emotion" else 1)
    indexes = _merge(groups, counts, sums)
    if emotions:
        groups = [group + (most - count) * emotions for group, count in zip(groups, counts, strict=True)]
    order = sorted(indexes, key=groups.__getitem__)
    columns: dict[str, list[Any]] = {
        name: list(map(values[name].__getitem__, map(keys[name].__getitem__, order))) for name in by
    }
    return columns | _to_fractions(list(map(counts.__getitem__, order)), list(map(sums.__getitem__, order)))


def _merge(groups: list[int], counts: list[int], sums: list[int]) -> Sequence[int]:
    """Add what cells of the same group count to the first of them; the indexes of these."""
    first: dict[int, int] = dict(zip(groups, range(len(groups)), strict=True))
    if len(first) == len(groups):
        return range(len(groups))
    first.clear()
    for index, group in enumerate(groups):
        if (into := first.setdefault(group, index)) != index:
            counts[into] += counts[index]
            sums[into] += sums[index]
    return list(first.values())


def _to_fractions(counts: list[int], sums: list[int]) -> dict[str, list[Any]]:
    """The columns that say how many there are, which share of all, and how confident the model was."""
    total = sum(counts)
    shares = {count: round(count / total, 4) for count in set(counts)}
    return {
        "observations": counts,
        "share": list(map(shares.__getitem__, counts)),
        "mean_confidence": [
            (2 * confidence + count) // (2 * count) / SCALE for confidence, count in zip(sums, counts, strict=True)
        ],
    }


def _group_value(
    name: str, key: int, zone: tzinfo | None, devices: dict[int, str], models: dict[int, str]
) -> GroupValue:
    """The value of a group's column from what the database has grouped by."""
    if name in TIME_GROUPS:
        return _time_values(key, zone)[name]
    return EMOTIONS[key] if name == "emotion" else (devices if name == "device" else models)[key]


def _time_values(time_ms: int, zone: tzinfo | None) -> dict[str, GroupValue]:
    local = to_datetime(time_ms, zone)
    return {
        "minute": local.replace(second=0, microsecond=0),
        "hour": local.replace(minute=0, second=0, microsecond=0),
        "day": local.date(),
        "weekday": WEEKDAYS[local.weekday()],
    }


def _describe_source(log_filter: Filter, by: Sequence[str], *, rows_only: bool) -> str:
    if not rows_only:
        limits = (log_filter.start_ms, log_filter.end_ms)
        cut = any(limit is not None and limit % QUARTER_HOUR_MS for limit in limits)
        return "quarter-hour counts" + (", and rows at the ends of the time range" if cut else "")
    reasons = [name for name in ("minute", "model") if name in by]
    reasons += ["confidence"] * bool(log_filter.min_confidence) + ["capture"] * (log_filter.capture is not None)
    reasons += ["model"] * (log_filter.model is not None)
    return f"rows, because the quarter-hour counts are not broken down by {' or '.join(dict.fromkeys(reasons))}"


def _count_rollup(
    connection: Connection,
    resolved: ResolvedFilter,
    by: Sequence[str],
    step_ms: int,
    start_ms: int | None,
    end_ms: int | None,
) -> Cells:
    """Whole quarter hours from the rollup; the parts at both ends from the rows."""
    first = None if start_ms is None else -(-start_ms // QUARTER_HOUR_MS)
    last = None if end_ms is None else end_ms // QUARTER_HOUR_MS
    if first is not None and last is not None and first > last:
        return _count_rows(connection, resolved, by, step_ms, start_ms, end_ms)
    conditions = resolved.device_conditions(rollup)
    if first is not None:
        conditions.append(rollup.c.quarter_hour >= first)
    if last is not None:
        conditions.append(rollup.c.quarter_hour < last)
    columns = {
        "time_ms": rollup.c.quarter_hour // (step_ms // QUARTER_HOUR_MS) * step_ms if _is_by_time(by) else None,
        "device": rollup.c.device if "device" in by else None,
    }
    emotions = resolved.emotions or range(len(EMOTIONS))
    emotion_sets: list[Sequence[int]] = [[code] for code in emotions] if "emotion" in by else [emotions]
    sums = [
        func.sum(reduce(add, [rollup.c[f"{EMOTIONS[code]}{suffix}"] for code in codes]))
        for codes in emotion_sets
        for suffix in ("", "_confidence")
    ]
    cells = Cells.empty()
    times, device_keys, *counts = fetch_columns(connection, _select_sums(columns, sums).where(*conditions))
    for codes, observations, confidences in zip(emotion_sets, counts[::2], counts[1::2], strict=True):
        # Of a cell without any there may be a row all the same: of other emotions, or because all rows were erased.
        kept = [list(compress(column, observations)) for column in (times, device_keys, observations, confidences)]
        emotion = codes[0] if "emotion" in by else None
        nothing = [None] * len(kept[0])
        cells.extend(kept[0], kept[1], [emotion] * len(kept[0]), nothing, kept[2], kept[3])
    if start_ms is not None and first is not None and start_ms < first * QUARTER_HOUR_MS:
        cells.extend(*_count_rows(connection, resolved, by, step_ms, start_ms, first * QUARTER_HOUR_MS))
    if end_ms is not None and last is not None and last * QUARTER_HOUR_MS < end_ms:
        cells.extend(*_count_rows(connection, resolved, by, step_ms, last * QUARTER_HOUR_MS, end_ms))
    return cells


def _count_rows(
    connection: Connection,
    resolved: ResolvedFilter,
    by: Sequence[str],
    step_ms: int,
    start_ms: int | None,
    end_ms: int | None,
) -> Cells:
    columns = {
        "time_ms": observation.c.at_ms // step_ms * step_ms if _is_by_time(by) else None,
        "device": observation.c.device if "device" in by else None,
        "emotion": observation.c.emotion if "emotion" in by else None,
        "model": observation.c.model if "model" in by else None,
    }
    query = _select_sums(columns, [func.count(observation.c.key), func.sum(observation.c.confidence)])
    query = query.where(*resolved.row_conditions(), *time_conditions(start_ms, end_ms))
    found = fetch_columns(connection, query)
    cells = Cells.empty()
    cells.extend(*(compress(column, found[4]) for column in found))
    return cells


def _select_sums(columns: dict[str, ColumnElement[Any] | None], sums: Sequence[ColumnElement[int]]) -> Select[Any]:
    """Sums grouped by those columns that are not None; if all are None, one row even if there is nothing to sum."""
    labeled = [(null() if column is None else column).label(name) for name, column in columns.items()]
    # By its label, since PostgreSQL does not see that two expressions with parameters are equal.
    groups = ["time_ms" if name == "time_ms" else column for name, column in columns.items() if column is not None]
    return select(*labeled, *sums).group_by(*groups)


@cache
def _time_step_ms(zone: tzinfo | None) -> int:
    """The step to count by in SQL: an hour if the zone's offsets from UTC are whole hours, else a quarter of an hour.

    Nepal is 5:45 ahead, for example. Offsets are sampled once a month: no zone has changed its offset for less.
    """
    offsets = (
        datetime(year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() for year in YEARS for month in range(1, 13)
    )
    whole_hours = all(offset is not None and not offset % timedelta(hours=1) for offset in offsets)
    return HOUR_MS if whole_hours else QUARTER_HOUR_MS


def _is_by_time(by: Sequence[str]) -> bool:
    return not set(TIME_GROUPS).isdisjoint(by)

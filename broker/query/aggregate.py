"""Counts observations, from the rollup wherever it suffices and from the rows otherwise."""

from calendar import day_name
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache, reduce
from operator import add
from typing import Annotated, Any, NamedTuple

from msgspec import Meta
from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, func, null, select

from mien.broker.database.encoding import SCALE, to_datetime
from mien.broker.database.engine import read_transaction
from mien.broker.database.schema import QUARTER_HOUR_MS, device, model, observation, rollup
from mien.broker.row import Row, column_types
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
Totals = dict[tuple[GroupValue, ...], list[int]]
"""For each group, the number of its observations and the sum of their confidences."""
WEEKDAYS = tuple(f"{number} {name}" for number, name in enumerate(day_name, 1))
"""Numbered, so that they sort from Monday on."""


class Cell(NamedTuple):
    """Observations that the database has counted together; None in a column that it did not group by."""

    time_ms: int | None
    device: int | None
    emotion: int | None
    model: int | None
    observations: int
    confidence: int
    """The sum, in 1/SCALE."""


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
        totals = _sum_by_group(cells, by, zone, devices=devices, models=models)
    all_observations = sum(observations for observations, _ in totals.values())
    rows = [
        CountRow(
            **dict(zip(by, values, strict=True)),  # type: ignore[arg-type]
            observations=observations,
            share=round(observations / all_observations, 4),
            mean_confidence=round(confidence / observations / SCALE, 4),
        )
        for values, (observations, confidence) in _sort_groups(totals, by)
    ]
    types = column_types(CountRow)
    columns = {name: types[name] for name in (*by, "observations", "share", "mean_confidence")}
    return Result(rows, columns, zone=zone, source=_describe_source(log_filter, by, rows_only=rows_only))


def _names_by_key(connection: Connection, table: Table) -> dict[int, str]:
    """The names of a table; grouping by their keys is faster than by the names."""
    return {row.key: row.name for row in connection.execute(select(table))}


def _sum_by_group(
    cells: Iterable[Cell],
    by: Sequence[str],
    zone: tzinfo | None,
    *,
    devices: dict[int, str],
    models: dict[int, str],
) -> Totals:
    """Add up the cells of each group. There may be 100,000 cells, so each time is converted only once."""
    values_by_time: dict[int | None, dict[str, GroupValue]] = {}
    totals: Totals = {}
    for time_ms, device_key, emotion, model_key, observations, confidence in cells:
        values = values_by_time.get(time_ms)
        if values is None:
            values = values_by_time[time_ms] = {} if time_ms is None else _time_values(time_ms, zone)
        values["device"] = "" if device_key is None else devices[device_key]
        values["model"] = "" if model_key is None else models[model_key]
        values["emotion"] = "" if emotion is None else EMOTIONS[emotion]
        group = tuple([values[name] for name in by])
        total = totals.get(group)
        if total is None:
            total = totals[group] = [0, 0]
        total[0] += int(observations)  # PostgreSQL's sums are decimals
        total[1] += int(confidence)
    return totals


def _time_values(time_ms: int, zone: tzinfo | None) -> dict[str, GroupValue]:
    local = to_datetime(time_ms, zone)
    return {
        "minute": local.replace(second=0, microsecond=0),
        "hour": local.replace(minute=0, second=0, microsecond=0),
        "day": local.date(),
        "weekday": WEEKDAYS[local.weekday()],
    }


def _sort_groups(totals: Totals, by: Sequence[str]) -> list[tuple[tuple[GroupValue, ...], list[int]]]:
    """Sort groups by their values, emotions by count.

    Each distinct value is ranked once: there are few of them, and comparing datetimes is slow.
    """
    ranks: list[dict[GroupValue, int]] = []
    for index in range(len(by)):
        distinct = {group[index] for group in totals}
        ranks.append({value: rank for rank, value in enumerate(sorted(distinct))})
    emotion_indexes = [index for index, name in enumerate(by) if name == "emotion"]
    other_indexes = [index for index, name in enumerate(by) if name != "emotion"]

    def sort_key(item: tuple[tuple[GroupValue, ...], list[int]]) -> list[int]:
        group, (observations, _) = item
        return [
            *[ranks[index][group[index]] for index in other_indexes],
            -observations,
            *[ranks[index][group[index]] for index in emotion_indexes],
        ]

    return sorted(totals.items(), key=sort_key)


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
) -> Iterator[Cell]:
    """Whole quarter hours from the rollup; the parts at both ends from the rows."""
    first = None if start_ms is None else -(-start_ms // QUARTER_HOUR_MS)
    last = None if end_ms is None else end_ms // QUARTER_HOUR_MS
    if first is not None and last is not None and first > last:
        yield from _count_rows(connection, resolved, by, step_ms, start_ms, end_ms)
        return
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
    for time_ms, device_key, *counts in connection.execute(_select_sums(columns, sums).where(*conditions)).all():
        for codes, observations, confidence in zip(emotion_sets, counts[::2], counts[1::2], strict=True):
            if observations:
                emotion = codes[0] if "emotion" in by else None
                yield Cell(time_ms, device_key, emotion, None, observations, confidence)
    if start_ms is not None and first is not None and start_ms < first * QUARTER_HOUR_MS:
        yield from _count_rows(connection, resolved, by, step_ms, start_ms, first * QUARTER_HOUR_MS)
    if end_ms is not None and last is not None and last * QUARTER_HOUR_MS < end_ms:
        yield from _count_rows(connection, resolved, by, step_ms, last * QUARTER_HOUR_MS, end_ms)


def _count_rows(
    connection: Connection,
    resolved: ResolvedFilter,
    by: Sequence[str],
    step_ms: int,
    start_ms: int | None,
    end_ms: int | None,
) -> Iterator[Cell]:
    columns = {
        "time_ms": observation.c.at_ms // step_ms * step_ms if _is_by_time(by) else None,
        "device": observation.c.device if "device" in by else None,
        "emotion": observation.c.emotion if "emotion" in by else None,
        "model": observation.c.model if "model" in by else None,
    }
    query = _select_sums(columns, [func.count(observation.c.key), func.sum(observation.c.confidence)])
    query = query.where(*resolved.row_conditions(), *time_conditions(start_ms, end_ms))
    yield from (cell for cell in map(Cell._make, connection.execute(query).all()) if cell.observations)


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

"""Counts observations: from the rollup where it has the answer, from the rows elsewhere."""

from calendar import day_name
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache, reduce
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, func, null, select

from mien.emotions import EMOTIONS

from .database import reading
from .narrowing import Narrowed, narrow, within
from .question import Question, in_zone
from .schema import QUARTER_MS, SCALE, device, model, observation, rollup

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
YEARS = range(2000, 2200)
"""Of what an observation may say."""
TIMES = ("minute", "hour", "day", "weekday")
Name = str | date | datetime
Totals = dict[tuple[Name, ...], list[int]]
"""By the names of a group its observations, and the sum of their confidences."""
WEEKDAYS = tuple(f"{number} {name}" for number, name in enumerate(day_name, 1))
"""They begin with their number, so that Monday comes first."""


class Cell(NamedTuple):
    """What was counted under the same numbers; None for what was not asked for."""

    moment_ms: int | None
    device: int | None
    emotion: int | None
    model: int | None
    observations: int
    confidence: int
    """The sum, in 1/10,000."""


@dataclass(frozen=True, slots=True)
class Counts:
    """An answer."""

    rows: list[dict[str, Any]]
    """For each group its names (minute and hour: a datetime, day: a date, others: text), then observations, their share
    of all counted, and their mean confidence."""
    source: str
    """Where it is from, in words."""


def columns_of(by: Sequence[str]) -> dict[str, type]:
    """What is counted by these groups: the names of the columns, and the types of their values."""
    kinds: dict[str, type] = {"minute": datetime, "hour": datetime, "day": date}
    return {name: kinds.get(name, str) for name in by} | {"observations": int, "share": float, "mean_confidence": float}


def count_observations(engine: Engine, question: Question, *, by: Sequence[str], zone: tzinfo | None) -> Counts:
    """How many observations in each group; groups in their order, emotions by count. `by` takes any of GROUPS.

    Times of day are those of `zone`, or of this machine. UsageError if the log has no such device or model;
    DatabaseError if it cannot be read, QueryStopped or LogBusy as for `reading`.
    """
    rows_alone = question.about_rows or not {"minute", "model"}.isdisjoint(by)
    step_ms = MINUTE_MS if "minute" in by else _step_ms(zone)
    with reading(engine) as connection:
        narrowed = narrow(connection, question)
        counted = _of_rows if rows_alone else _of_rollup
        cells = counted(connection, narrowed, by, step_ms, question.begin_ms, question.end_ms)
        totals = _totals(cells, by, zone, devices=_known(connection, device), models=_known(connection, model))
    whole = sum(count for count, _ in totals.values())
    rows = [
        dict(zip(by, names, strict=True))
        | {
            "observations": count,
            "share": round(count / whole, 4),
            "mean_confidence": round(confidence / count / SCALE, 4),
        }
        for names, (count, confidence) in _in_order(totals, by)
    ]
    return Counts(rows, _source(question, by, rows_alone=rows_alone))


def _known(connection: Connection, table: Table) -> dict[int, str]:
    """Names by their keys, which are shorter to group by."""
    return {row.key: row.name for row in connection.execute(select(table))}


def _totals(
    cells: Iterable[Cell],
    by: Sequence[str],
    zone: tzinfo | None,
    *,
    devices: dict[int, str],
    models: dict[int, str],
) -> Totals:
    """Cells whose names are the same, together. They may be a hundred thousand: each moment meets the calendar once."""
    moments: dict[int | None, dict[str, Name]] = {}
    totals: Totals = {}
    for moment_ms, device_key, emotion, model_key, count, confidence in cells:
        words = moments.get(moment_ms)
        if words is None:
            words = moments[moment_ms] = {} if moment_ms is None else _calendar(moment_ms, zone)
        words["device"] = "" if device_key is None else devices[device_key]
        words["model"] = "" if model_key is None else models[model_key]
        words["emotion"] = "" if emotion is None else EMOTIONS[emotion]
        names = tuple([words[group] for group in by])
        total = totals.get(names)
        if total is None:
            total = totals[names] = [0, 0]
        total[0] += int(count)  # PostgreSQL's sums are decimals
        total[1] += int(confidence)
    return totals


def _calendar(at_ms: int, zone: tzinfo | None) -> dict[str, Name]:
    here = in_zone(at_ms, zone)
    return {
        "minute": here.replace(second=0, microsecond=0),
        "hour": here.replace(minute=0, second=0, microsecond=0),
        "day": here.date(),
        "weekday": WEEKDAYS[here.weekday()],
    }


def _in_order(totals: Totals, by: Sequence[str]) -> list[tuple[tuple[Name, ...], list[int]]]:
    """Groups in their order, emotions by count. Names are few, and are compared but once: datetimes take their time."""
    ranks: list[dict[Name, int]] = []
    for place in range(len(by)):
        distinct = {names[place] for names in totals}
        ranks.append({name: rank for rank, name in enumerate(sorted(distinct))})  # type: ignore[type-var]
    others = [place for place, group in enumerate(by) if group != "emotion"]
    emotions = [place for place, group in enumerate(by) if group == "emotion"]

    def key(item: tuple[tuple[Name, ...], list[int]]) -> list[int]:
        names, (count, _) = item
        return [
            *[ranks[place][names[place]] for place in others],
            -count,
            *[ranks[place][names[place]] for place in emotions],
        ]

    return sorted(totals.items(), key=key)


def _source(question: Question, by: Sequence[str], *, rows_alone: bool) -> str:
    if not rows_alone:
        edges = [
            moment for moment in (question.begin_ms, question.end_ms) if moment is not None and moment % QUARTER_MS
        ]
        return "the counts by quarters of an hour" + (
            ", and the rows of those cut by the time asked for" if edges else ""
        )
    reasons = [group for group in ("minute", "model") if group in by]
    reasons += ["a confidence"] * bool(question.least_confidence) + ["a capture"] * (question.capture is not None)
    reasons += ["a model"] * (question.model is not None)
    return f"the rows, since the counts kept do not know {' nor '.join(dict.fromkeys(reasons))}"


def _of_rollup(
    connection: Connection,
    narrowed: Narrowed,
    by: Sequence[str],
    step_ms: int,
    begin_ms: int | None,
    end_ms: int | None,
) -> Iterator[Cell]:
    """Whole quarters from the rollup; the pieces at both ends from the rows."""
    first = None if begin_ms is None else -(-begin_ms // QUARTER_MS)
    last = None if end_ms is None else end_ms // QUARTER_MS
    if first is not None and last is not None and first > last:
        yield from _of_rows(connection, narrowed, by, step_ms, begin_ms, end_ms)
        return
    conditions = narrowed.devices_of(rollup)
    if first is not None:
        conditions.append(rollup.c.quarter >= first)
    if last is not None:
        conditions.append(rollup.c.quarter < last)
    columns = {
        "moment_ms": rollup.c.quarter // (step_ms // QUARTER_MS) * step_ms if _timed(by) else None,
        "device": rollup.c.device if "device" in by else None,
    }
    emotions = narrowed.emotions or range(len(EMOTIONS))
    together: list[Sequence[int]] = [[number] for number in emotions] if "emotion" in by else [emotions]
    sums = [
        func.sum(reduce(add, [rollup.c[f"{EMOTIONS[number]}{kind}"] for number in numbers]))
        for numbers in together
        for kind in ("", "_confidence")
    ]
    for moment_ms, device_key, *counts in connection.execute(_grouped(columns, sums).where(*conditions)).all():
        for numbers, count, confidence in zip(together, counts[::2], counts[1::2], strict=True):
            if count:
                number = numbers[0] if "emotion" in by else None
                yield Cell(moment_ms, device_key, number, None, count, confidence)
    if begin_ms is not None and first is not None and begin_ms < first * QUARTER_MS:
        yield from _of_rows(connection, narrowed, by, step_ms, begin_ms, first * QUARTER_MS)
    if end_ms is not None and last is not None and last * QUARTER_MS < end_ms:
        yield from _of_rows(connection, narrowed, by, step_ms, last * QUARTER_MS, end_ms)


def _of_rows(
    connection: Connection,
    narrowed: Narrowed,
    by: Sequence[str],
    step_ms: int,
    begin_ms: int | None,
    end_ms: int | None,
) -> Iterator[Cell]:
    columns = {
        "moment_ms": observation.c.at_ms // step_ms * step_ms if _timed(by) else None,
        "device": observation.c.device if "device" in by else None,
        "emotion": observation.c.emotion if "emotion" in by else None,
        "model": observation.c.model if "model" in by else None,
    }
    wanted = _grouped(columns, [func.count(observation.c.key), func.sum(observation.c.confidence)])
    found = connection.execute(wanted.where(*narrowed.of_rows(), *within(begin_ms, end_ms))).all()
    yield from (cell for cell in map(Cell._make, found) if cell.observations)


def _grouped(columns: dict[str, ColumnElement[Any] | None], sums: Sequence[ColumnElement[int]]) -> Select[Any]:
    """Sums by those of the columns that are asked for; by none of them a row also where there is nothing to sum."""
    labelled = [(null() if column is None else column).label(name) for name, column in columns.items()]
    # by its name, since PostgreSQL takes an expression with parameters for another one each time it stands there
    groups = ["moment_ms" if name == "moment_ms" else column for name, column in columns.items() if column is not None]
    return select(*labelled, *sums).group_by(*groups)


@cache
def _step_ms(zone: tzinfo | None) -> int:
    """What moments are counted by before a calendar sees them: hours where those of the zone begin with UTC's.

    Quarters elsewhere: Nepal is 5:45 ahead. Looked at once a month, since no zone changed its mind sooner.
    """
    offsets = (
        datetime(year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() for year in YEARS for month in range(1, 13)
    )
    whole = all(offset is not None and not offset % timedelta(hours=1) for offset in offsets)
    return HOUR_MS if whole else QUARTER_MS


def _timed(by: Sequence[str]) -> bool:
    return not set(TIMES).isdisjoint(by)

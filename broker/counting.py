"""Counts observations: from the rollup where it has the answer, from the rows elsewhere."""

from calendar import day_name
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, func, literal, null, select

from mien.emotions import EMOTIONS

from .database import reading
from .narrowing import Narrowed, narrow, within
from .question import Question, in_zone
from .schema import QUARTER_MS, SCALE, device, model, observation, rollup

MINUTE_MS = 60_000
TIMES = ("minute", "hour", "day", "weekday")
Name = str | date | datetime
WEEKDAYS = tuple(f"{number} {name}" for number, name in enumerate(day_name, 1))
"""They begin with their number, so that Monday comes first."""


@dataclass(frozen=True, slots=True)
class Counts:
    """An answer."""

    rows: list[dict[str, Any]]
    """For each group its names (minute and hour: a datetime, day: a date, others: text), then observations, their share
    of all counted, and their mean confidence."""
    source: str
    """Where it is from, in words."""


def count_observations(engine: Engine, question: Question, *, by: Sequence[str], zone: tzinfo | None) -> Counts:
    """How many observations in each group; groups in their order, emotions by count. `by` takes any of GROUPS.

    Times of day are those of `zone`, or of this machine. UsageError if the log has no such device or model;
    DatabaseError if it cannot be read, QueryStopped or LogBusy as for `reading`.
    """
    totals: dict[tuple[Name, ...], list[int]] = defaultdict(lambda: [0, 0])
    name = _names(by, zone)
    rows_alone = question.about_rows or not {"minute", "model"}.isdisjoint(by)
    with reading(engine) as connection:
        narrowed = narrow(connection, question)
        counted = _of_rows if rows_alone else _of_rollup
        cells = counted(connection, narrowed, by, question.begin_ms, question.end_ms)
        for cell in cells:
            total = totals[name(cell)]
            total[0] += int(cell.observations)  # PostgreSQL's sums are decimals
            total[1] += int(cell.confidence)
    whole = sum(count for count, _ in totals.values())
    rows: list[dict[str, Any]] = [
        dict(zip(by, key, strict=True))
        | {
            "observations": count,
            "share": round(count / whole, 4),
            "mean_confidence": round(confidence / count / SCALE, 4),
        }
        for key, (count, confidence) in totals.items()
    ]
    others = [group for group in by if group != "emotion"]
    rows.sort(key=lambda row: (*(row[group] for group in others), -row["observations"], *map(str, row.values())))
    return Counts(rows, _source(question, by, rows_alone=rows_alone))


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
    connection: Connection, narrowed: Narrowed, by: Sequence[str], begin_ms: int | None, end_ms: int | None
) -> Iterator[Row[Any]]:
    """Whole quarters from the rollup; the pieces at both ends from the rows."""
    first = None if begin_ms is None else -(-begin_ms // QUARTER_MS)
    last = None if end_ms is None else end_ms // QUARTER_MS
    if first is not None and last is not None and first > last:
        yield from _of_rows(connection, narrowed, by, begin_ms, end_ms)
        return
    conditions: list[ColumnElement[bool]] = narrowed.of(rollup)
    if first is not None:
        conditions.append(rollup.c.quarter >= first)
    if last is not None:
        conditions.append(rollup.c.quarter < last)
    columns = {
        "moment_ms": rollup.c.quarter * QUARTER_MS if _timed(by) else None,
        "device": device.c.name if "device" in by else None,
        "emotion": rollup.c.emotion if "emotion" in by else None,
        "model": None,
    }
    sums = func.sum(rollup.c.observations), func.sum(rollup.c.confidence)
    counted = rollup.join(device, device.c.key == rollup.c.device) if "device" in by else rollup
    yield from connection.execute(_grouped(columns, *sums).select_from(counted).where(*conditions))
    if begin_ms is not None and first is not None and begin_ms < first * QUARTER_MS:
        yield from _of_rows(connection, narrowed, by, begin_ms, first * QUARTER_MS)
    if end_ms is not None and last is not None and last * QUARTER_MS < end_ms:
        yield from _of_rows(connection, narrowed, by, last * QUARTER_MS, end_ms)


def _of_rows(
    connection: Connection, narrowed: Narrowed, by: Sequence[str], begin_ms: int | None, end_ms: int | None
) -> Iterator[Row[Any]]:
    step = MINUTE_MS if "minute" in by else QUARTER_MS
    columns = {
        "moment_ms": observation.c.at_ms // step * step if _timed(by) else None,
        "device": device.c.name if "device" in by else None,
        "emotion": observation.c.emotion if "emotion" in by else None,
        "model": model.c.name if "model" in by else None,
    }
    rows = observation.join(device, device.c.key == observation.c.device) if "device" in by else observation
    if "model" in by:
        rows = rows.join(model, model.c.key == observation.c.model)
    wanted = _grouped(columns, func.count(), func.sum(observation.c.confidence)).select_from(rows)
    conditions = [*narrowed.of(observation), *narrowed.others, *within(begin_ms, end_ms)]
    yield from connection.execute(wanted.where(*conditions))


def _grouped(
    columns: dict[str, ColumnElement[Any] | None], observations: ColumnElement[int], confidence: ColumnElement[int]
) -> Select[Any]:
    """Sums by those of the columns that are asked for; without a row there is no group, not even of nothing."""
    labelled = [(null() if column is None else column).label(name) for name, column in columns.items()]
    wanted = select(*labelled, observations.label("observations"), confidence.label("confidence"))
    # by its name, since PostgreSQL takes an expression with parameters for another one each time it stands there
    groups = ["moment_ms" if name == "moment_ms" else column for name, column in columns.items() if column is not None]
    return wanted.group_by(*groups).having(observations > literal(0))


def _timed(by: Sequence[str]) -> bool:
    return not set(TIMES).isdisjoint(by)


def _names(by: Sequence[str], zone: tzinfo | None) -> Callable[[Row[Any]], tuple[Name, ...]]:
    """Gives a cell's names. Each moment is put into words once: calendars are slow, and there are few moments."""
    moments: dict[int, dict[str, Name]] = {}
    timed = _timed(by)

    def moment(at_ms: int) -> dict[str, Name]:
        if at_ms not in moments:
            here = in_zone(at_ms, zone)
            moments[at_ms] = {
                "minute": here.replace(second=0, microsecond=0),
                "hour": here.replace(minute=0, second=0, microsecond=0),
                "day": here.date(),
                "weekday": WEEKDAYS[here.weekday()],
            }
        return moments[at_ms]

    def names(cell: Row[Any]) -> tuple[Name, ...]:
        words = dict(moment(cell.moment_ms)) if timed else {}
        words |= {"device": cell.device, "model": cell.model}
        words["emotion"] = EMOTIONS[cell.emotion] if cell.emotion is not None else ""
        return tuple(words[group] for group in by)

    return names

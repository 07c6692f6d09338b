"""Counts observations: from the rollup where it has the answer, from the rows elsewhere."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, func, literal, null, select

from mien.emotions import EMOTIONS

from .database import reading
from .question import Question, in_zone, within
from .schema import QUARTER_MS, SCALE, device, model, observation, rollup

MINUTE_MS = 60_000
TIMES = ("minute", "hour", "day", "weekday")
FORMS = {"minute": "%Y-%m-%d %H:%M%z", "hour": "%Y-%m-%d %H:00%z", "day": "%Y-%m-%d", "weekday": "%u %A"}
"""Weekdays begin with their number, so that Monday comes first."""


@dataclass(frozen=True, slots=True)
class Counts:
    """An answer."""

    rows: list[dict[str, Any]]
    """For each group its names, then observations, their share of all counted, and their mean confidence."""
    source: str
    """Where it is from, in words."""


def count_observations(engine: Engine, question: Question, *, by: Sequence[str], zone: tzinfo | None) -> Counts:
    """How many observations in each group; groups in their order, emotions by count. `by` takes any of GROUPS.

    Times of day are those of `zone`, or of this machine. DatabaseError if the log cannot be read.
    """
    totals: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    name = _names(by, zone)
    rows_alone = question.about_rows or not {"minute", "model"}.isdisjoint(by)
    with reading(engine) as connection:
        cells = _of_rows(connection, question, by) if rows_alone else _of_rollup(connection, question, by)
        for cell in cells:
            total = totals[name(cell)]
            total[0] += int(cell.observations)  # PostgreSQL's sums are decimals
            total[1] += int(cell.confidence)
    whole = sum(count for count, _ in totals.values())
    rows = [
        dict(zip(by, key, strict=True))
        | {
            "observations": count,
            "share": round(count / whole, 4),
            "mean_confidence": round(confidence / count / SCALE, 4),
        }
        for key, (count, confidence) in totals.items()
    ]
    others = [group for group in by if group != "emotion"]
    rows.sort(key=lambda row: (*(row[group] for group in others), -int(row["observations"]), *map(str, row.values())))
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
    reasons += ["a confidence"] * bool(question.least_confidence) + ["a capture"] * bool(question.capture)
    reasons += ["a model"] * bool(question.model)
    return f"the rows, since the counts kept do not know {' nor '.join(dict.fromkeys(reasons))}"


def _of_rollup(connection: Connection, question: Question, by: Sequence[str]) -> Iterator[Row[Any]]:
    """Whole quarters from the rollup; the pieces at both ends from the rows."""
    begin, end = question.begin_ms, question.end_ms
    first = None if begin is None else -(-begin // QUARTER_MS)
    last = None if end is None else end // QUARTER_MS
    if first is not None and last is not None and first > last:
        yield from _of_rows(connection, question, by)
        return
    conditions: list[ColumnElement[bool]] = []
    if first is not None:
        conditions.append(rollup.c.quarter >= first)
    if last is not None:
        conditions.append(rollup.c.quarter < last)
    if question.devices:
        conditions.append(device.c.name.in_(question.devices))
    if question.emotions:
        conditions.append(rollup.c.emotion.in_(question.emotion_numbers()))
    columns = {
        "moment_ms": rollup.c.quarter * QUARTER_MS if _timed(by) else None,
        "device": device.c.name if "device" in by else None,
        "emotion": rollup.c.emotion if "emotion" in by else None,
        "model": None,
    }
    sums = func.sum(rollup.c.observations), func.sum(rollup.c.confidence)
    counted = rollup.join(device, device.c.key == rollup.c.device) if _with_device(question, by) else rollup
    yield from connection.execute(_grouped(columns, *sums).select_from(counted).where(*conditions))
    if begin is not None and first is not None and begin < first * QUARTER_MS:
        yield from _of_rows(connection, question, by, begin, first * QUARTER_MS)
    if end is not None and last is not None and last * QUARTER_MS < end:
        yield from _of_rows(connection, question, by, last * QUARTER_MS, end)


def _of_rows(
    connection: Connection,
    question: Question,
    by: Sequence[str],
    begin_ms: int | None = None,
    end_ms: int | None = None,
) -> Iterator[Row[Any]]:
    """From the rows, of the whole question or of a span of it."""
    whole = begin_ms is None and end_ms is None
    span = (question.begin_ms, question.end_ms) if whole else (begin_ms, end_ms)
    step = MINUTE_MS if "minute" in by else QUARTER_MS
    columns = {
        "moment_ms": observation.c.at_ms // step * step if _timed(by) else None,
        "device": device.c.name if "device" in by else None,
        "emotion": observation.c.emotion if "emotion" in by else None,
        "model": model.c.name if "model" in by else None,
    }
    rows = observation.join(device, device.c.key == observation.c.device) if _with_device(question, by) else observation
    if "model" in by:
        rows = rows.join(model, model.c.key == observation.c.model)
    wanted = _grouped(columns, func.count(), func.sum(observation.c.confidence)).select_from(rows)
    yield from connection.execute(wanted.where(*question.conditions(), *within(*span)))


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


def _with_device(question: Question, by: Sequence[str]) -> bool:
    return bool(question.devices) or "device" in by


def _names(by: Sequence[str], zone: tzinfo | None) -> Callable[[Row[Any]], tuple[str, ...]]:
    """Gives a cell's names. Each moment is put into words once: calendars are slow, and there are few moments."""
    moments: dict[int, dict[str, str]] = {}
    times = [group for group in by if group in TIMES]

    def moment(at_ms: int) -> dict[str, str]:
        if at_ms not in moments:
            here = in_zone(at_ms, zone)
            moments[at_ms] = {group: here.strftime(FORMS[group]) for group in times}
        return moments[at_ms]

    def names(cell: Row[Any]) -> tuple[str, ...]:
        at = moment(cell.moment_ms) if times else {}
        own = {"device": cell.device, "model": cell.model}
        own["emotion"] = EMOTIONS[cell.emotion] if cell.emotion is not None else None
        return tuple(at[group] if group in at else str(own[group]) for group in by)

    return names

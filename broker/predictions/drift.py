"""Whether a device's predictions have drifted: whether those of the last day differ from those of the two weeks before.

A camera that was moved, a lamp that broke or a poster in view changes what a device reports without any error. The
measure is the population stability index (Siddiqi, Credit Risk Scorecards, 2006): below 0.1 nothing has changed,
above 0.25 much has.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from msgspec import Meta
from sqlalchemy import ColumnElement, Connection, Engine, Integer, ScalarSelect, cast, func, select

from mien.broker.database.engine import open_for_reading, read_transaction
from mien.broker.database.schema import QUARTER_HOUR_MS, device, model, observation, rollup
from mien.broker.row import Row
from mien.emotions import EMOTIONS, Emotion
from mien.messages.observation import UnitInterval

DAY = 24 * 4
"""Quarters of an hour."""
BASELINE_DAYS = 14
SPAN = 6 * 4
"""In quarters of an hour. The model is looked up once in each span, and in each quarter of an hour of the span in which
the current model began: to look up all of them took five to nine times as long."""
MIN_ROWS = 300
"""In each of the two windows."""
MAX_INDEX = 0.25
TIMEOUT_S = 30.0
"""If Prometheus does not wait for as long, it finds the result when it reads the metrics again."""
BATCH_SIZE = 1000
"""Devices in one statement."""
SMOOTHING = 0.5
"""Added to each count, so that an emotion that one of the windows lacks does not make the index infinite."""

Counts = Sequence[int]
"""Of the observations of each emotion, in the order of EMOTIONS."""


class DriftRow(Row, frozen=True, kw_only=True):
    """A device's predictions of the last day beside those of the two weeks before, both by its current model."""

    device: str
    model: Annotated[str, Meta(description="Its current model, within 15 minutes; a new one begins new windows.")]
    observations: Annotated[int, Meta(ge=0, description="In the last day.")]
    baseline_observations: Annotated[int, Meta(ge=0, description="In the 14 days before.")]
    stability_index: Annotated[
        float | None,
        Meta(description="Population stability index; null if either has fewer than 300 observations."),
    ]
    has_drifted: Annotated[bool, Meta(description="Whether the index is above 0.25.")]
    emotion: Annotated[Emotion | None, Meta(description="The emotion whose share has changed the most.")]
    share: Annotated[UnitInterval | None, Meta(description="Its share in the last day.")]
    baseline_share: Annotated[UnitInterval | None, Meta(description="Its share in the 14 days before.")]


class Cell(NamedTuple):
    """Counts of the rollup."""

    number: int
    """Of the first quarter of an hour, since 1970."""
    counts: Counts
    """Without the observations that were deleted."""
    model: int | None
    """The key of the model of the first observation; None if all were deleted."""


def measure_drift(engine: Engine, now: datetime) -> list[DriftRow]:
    """A row for each device that has observed anything within the last day, by name.

    Counts are the rollup's, in whole quarters of an hour. Those before the current model's first full quarter of an
    hour do not count, nor do those whose observations were deleted, because their model is unknown. Another model that
    was tried for less than six hours since then may go unnoticed. DatabaseError if the log cannot be read, QueryTimeout
    or TooManyQueries as for `read_transaction`.
    """
    end = -(-round(now.timestamp() * 1000) // QUARTER_HOUR_MS)
    with read_transaction(engine) as connection:
        spans = _read_spans(connection, end - DAY * (BASELINE_DAYS + 1), end)
        devices = [
            one
            for one in connection.execute(select(device, _newest_model(end)).order_by(device.c.name)).all()
            if one.key in spans and spans[one.key][-1].number >= end - DAY
        ]
        current = {one.key: one.model for one in devices}
        begins = {key: _last_other(spans[key], current[key]) for key in current}
        quarter_hours = _read_quarter_hours(connection, begins)
        models = {row.key: row.name for row in connection.execute(select(model))}
    rows = []
    for one in devices:
        cells, begin = spans[one.key], begins[one.key]
        if begin is not None:
            cells = [*quarter_hours.get(one.key, ()), *(cell for cell in cells if cell.number > begin)]
            begin = _last_other(cells, one.model)
        known = [cell for cell in cells if cell.model is not None and (begin is None or cell.number > begin)]
        rows.append(_compare(one.name, known, end - DAY, "" if one.model is None else models[one.model]))
    return rows


def measure_log_drift(url: str | Path) -> list[DriftRow]:
    """`measure_drift` of the log at a path or URL up to now. Errors likewise, and as for `open_for_reading`."""
    engine = open_for_reading(url, timeout_s=TIMEOUT_S)
    try:
        return measure_drift(engine, datetime.now(UTC))
    finally:
        engine.dispose()


def stability_index(counts: Counts, baseline: Counts) -> float:
    """The population stability index of two distributions: 0 if they are equal, symmetric."""
    total, baseline_total = (sum(window) + SMOOTHING * len(window) for window in (counts, baseline))
    index = 0.0
    for count, baseline_count in zip(counts, baseline, strict=True):
        share, baseline_share = (count + SMOOTHING) / total, (baseline_count + SMOOTHING) / baseline_total
        index += (share - baseline_share) * math.log(share / baseline_share)
    return index


def _read_spans(connection: Connection, first: int, end: int) -> dict[int, list[Cell]]:
    """The spans with observations, from `first` to before `end`, by device."""
    span = (rollup.c.quarter_hour - first) // SPAN
    # of 64-bit integers, PostgreSQL makes decimal sums
    sums = [
        func.sum(cast(rollup.c[emotion] - rollup.c[f"{emotion}_deleted"], Integer)).label(emotion)
        for emotion in EMOTIONS
    ]
    in_range = (rollup.c.quarter_hour >= first) & (rollup.c.quarter_hour < end)
    counts = sum((rollup.c[emotion] for emotion in EMOTIONS[1:]), rollup.c[EMOTIONS[0]])
    grouped = select(rollup.c.device, span.label("span"), *sums).where(in_range, counts > 0)
    cells = grouped.group_by(rollup.c.device, span).subquery()
    number = cells.c.span * SPAN + first
    query = select(cells.c.device, number, _first_model(cells.c.device, number, SPAN), *(cells.c[e] for e in EMOTIONS))
    return _by_device(connection.execute(query.order_by(cells.c.device, cells.c.span)).all())


def _read_quarter_hours(connection: Connection, begins: dict[int, int | None]) -> dict[int, list[Cell]]:
    """The quarters of an hour of the span that begins there, by device; nothing for devices without."""
    devices = defaultdict(list)
    for key, begin in begins.items():
        if begin is not None:
            devices[begin].append(key)
    quarter_hours: dict[int, list[Cell]] = {}
    number = rollup.c.quarter_hour
    columns = [rollup.c[emotion] - rollup.c[f"{emotion}_deleted"] for emotion in EMOTIONS]
    query = select(rollup.c.device, number, _first_model(rollup.c.device, number, 1), *columns)
    for begin, keys in devices.items():  # when a new model is installed, it is on many devices at the same time
        for at in range(0, len(keys), BATCH_SIZE):
            batch = keys[at : at + BATCH_SIZE]
            of_span = query.where(rollup.c.device.in_(batch), number >= begin, number < begin + SPAN)
            quarter_hours |= _by_device(connection.execute(of_span.order_by(rollup.c.device, number)).all())
    return quarter_hours


def _by_device(rows: Iterable[Sequence[Any]]) -> dict[int, list[Cell]]:
    cells = defaultdict(list)
    for device_key, number, model_key, *counts in rows:
        cells[device_key].append(Cell(number, counts, model_key))
    return cells


def _first_model(device_key: ColumnElement[int], number: ColumnElement[int], length: int) -> ScalarSelect[int]:
    """The model of a device's first observation in so many quarters of an hour: one look into the index."""
    start_ms = number * QUARTER_HOUR_MS
    query = select(observation.c.model).where(observation.c.device == device_key, observation.c.at_ms >= start_ms)
    query = query.where(observation.c.at_ms < start_ms + length * QUARTER_HOUR_MS)
    return query.order_by(observation.c.at_ms).limit(1).scalar_subquery()


def _newest_model(end: int) -> ColumnElement[int]:
    """The model of a device's newest observation before a quarter of an hour."""
    query = select(observation.c.model).where(
        observation.c.device == device.c.key, observation.c.at_ms < end * QUARTER_HOUR_MS
    )
    return query.order_by(observation.c.at_ms.desc()).limit(1).scalar_subquery().label("model")


def _last_other(cells: Sequence[Cell], current: int | None) -> int | None:
    """The number of the last cell that begins with another model than the current one."""
    return max((cell.number for cell in cells if cell.model not in (None, current)), default=None)


def _compare(name: str, cells: Sequence[Cell], day_start: int, model_name: str) -> DriftRow:
    counts = _sum_counts([cell for cell in cells if cell.number >= day_start])
    baseline = _sum_counts([cell for cell in cells if cell.number < day_start])
    total, baseline_total = sum(counts), sum(baseline)
    index, most_changed = None, None
    if min(total, baseline_total) >= MIN_ROWS:
        index = stability_index(counts, baseline)
        changes = [abs(counts[code] / total - baseline[code] / baseline_total) for code in range(len(EMOTIONS))]
        most_changed = changes.index(max(changes))
    return DriftRow(
        device=name,
        model=model_name,
        observations=total,
        baseline_observations=baseline_total,
        stability_index=None if index is None else round(index, 4),
        has_drifted=index is not None and index > MAX_INDEX,
        emotion=None if most_changed is None else EMOTIONS[most_changed],
        share=None if most_changed is None else round(counts[most_changed] / total, 4),
        baseline_share=None if most_changed is None else round(baseline[most_changed] / baseline_total, 4),
    )


def _sum_counts(cells: Sequence[Cell]) -> Counts:
    return [sum(cell.counts[code] for cell in cells) for code in range(len(EMOTIONS))]

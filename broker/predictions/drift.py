"""Whether a device's predictions have drifted: whether those of the last day differ from those of the two weeks before.

A camera that was moved, a lamp that broke or a poster in view changes what a device reports without any error. The
measure is the population stability index (Siddiqi, Credit Risk Scorecards, 2006): below 0.1 nothing has changed,
above 0.25 much has.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

from msgspec import Meta
from sqlalchemy import Connection, Engine, select

from mien.broker.database.engine import read_transaction
from mien.broker.database.schema import QUARTER_HOUR_MS, device, model, observation, rollup
from mien.broker.row import Row
from mien.emotions import EMOTIONS, Emotion
from mien.messages.observation import UnitInterval

DAY = 24 * 4
"""Quarters of an hour."""
BASELINE_DAYS = 14
MIN_ROWS = 300
"""In each of the two windows."""
MAX_INDEX = 0.25
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


class QuarterHour(NamedTuple):
    """One cell of the rollup."""

    number: int
    """Quarters of an hour since 1970."""
    counts: Counts
    model: int | None
    """The key of the model of its first observation; None if its observations were deleted."""


def measure_drift(engine: Engine, now: datetime) -> list[DriftRow]:
    """A row for each device that has observed anything within the last day, by name.

    Counts are the rollup's, in whole quarters of an hour. Those before the current model's first full quarter of an
    hour do not count, nor do those whose observations were deleted, because their model is unknown. DatabaseError if
    the log cannot be read, QueryTimeout or TooManyQueries as for `read_transaction`.
    """
    end = -(-round(now.timestamp() * 1000) // QUARTER_HOUR_MS)
    with read_transaction(engine) as connection:
        models = {row.key: row.name for row in connection.execute(select(model))}
        rows = []
        for one in connection.execute(select(device).order_by(device.c.name)).all():
            cells = list(_read_cells(connection, one.key, end - DAY * (BASELINE_DAYS + 1), end))
            if cells and cells[-1].number >= end - DAY:
                rows.append(_compare(one.name, cells, end - DAY, models))
        return rows


def stability_index(counts: Counts, baseline: Counts) -> float:
    """The population stability index of two distributions: 0 if they are equal, symmetric."""
    total, baseline_total = (sum(window) + SMOOTHING * len(window) for window in (counts, baseline))
    index = 0.0
    for count, baseline_count in zip(counts, baseline, strict=True):
        share, baseline_share = (count + SMOOTHING) / total, (baseline_count + SMOOTHING) / baseline_total
        index += (share - baseline_share) * math.log(share / baseline_share)
    return index


def _read_cells(connection: Connection, device_key: int, first: int, end: int) -> Iterator[QuarterHour]:
    """The device's quarters of an hour with observations, from `first` to before `end`."""
    start_ms = rollup.c.quarter_hour * QUARTER_HOUR_MS
    first_model = (
        select(observation.c.model)
        .where(
            observation.c.device == device_key,
            observation.c.at_ms >= start_ms,
            observation.c.at_ms < start_ms + QUARTER_HOUR_MS,
        )
        .order_by(observation.c.at_ms)
        .limit(1)
        .scalar_subquery()
    )
    query = select(rollup.c.quarter_hour, first_model, *(rollup.c[emotion] for emotion in EMOTIONS))
    query = query.where(rollup.c.device == device_key, rollup.c.quarter_hour >= first, rollup.c.quarter_hour < end)
    for number, model_key, *counts in connection.execute(query.order_by(rollup.c.quarter_hour)).all():
        if any(counts):
            yield QuarterHour(number, counts, model_key)


def _compare(name: str, cells: Sequence[QuarterHour], day_start: int, models: dict[int, str]) -> DriftRow:
    known = [cell for cell in cells if cell.model is not None]
    current = known[-1].model if known else None
    begin = max((cell.number + 1 for cell in known if cell.model != current), default=0)
    known = [cell for cell in known if cell.number >= begin]
    counts = _sum_counts([cell for cell in known if cell.number >= day_start])
    baseline = _sum_counts([cell for cell in known if cell.number < day_start])
    total, baseline_total = sum(counts), sum(baseline)
    index, most_changed = None, None
    if min(total, baseline_total) >= MIN_ROWS:
        index = stability_index(counts, baseline)
        changes = [abs(counts[code] / total - baseline[code] / baseline_total) for code in range(len(EMOTIONS))]
        most_changed = changes.index(max(changes))
    return DriftRow(
        device=name,
        model="" if current is None else models[current],
        observations=total,
        baseline_observations=baseline_total,
        stability_index=None if index is None else round(index, 4),
        has_drifted=index is not None and index > MAX_INDEX,
        emotion=None if most_changed is None else EMOTIONS[most_changed],
        share=None if most_changed is None else round(counts[most_changed] / total, 4),
        baseline_share=None if most_changed is None else round(baseline[most_changed] / baseline_total, 4),
    )


def _sum_counts(cells: Sequence[QuarterHour]) -> Counts:
    return [sum(cell.counts[code] for cell in cells) for code in range(len(EMOTIONS))]

"""Counts by device, quarter of an hour and emotion, updated in the transaction that inserts the observations."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, and_, update

from mien.broker.database.bulk_sql import upsert
from mien.broker.database.encoding import to_epoch_ms, to_fixed_point
from mien.broker.database.schema import QUARTER_HOUR_MS, rollup
from mien.emotions import EMOTIONS
from mien.messages.observation import Observation

COUNT_COLUMNS = tuple(f"{emotion}{suffix}" for emotion in EMOTIONS for suffix in ("", "_confidence"))


def add(connection: Connection, observations: Sequence[tuple[int, Observation]]) -> None:
    """Count observations that were inserted, each given with its device's key."""
    statement = upsert(connection, rollup)
    statement = statement.on_conflict_do_update(
        index_elements=[rollup.c.device, rollup.c.quarter_hour],
        set_={name: rollup.c[name] + statement.excluded[name] for name in COUNT_COLUMNS},
    )
    rows = [
        {"device": device, "quarter_hour": quarter_hour} | dict.fromkeys(COUNT_COLUMNS, 0) | sums
        for (device, quarter_hour), sums in sorted(_sum_by_cell(observations).items())
    ]
    connection.execute(statement, rows)


def subtract_restored(connection: Connection, observations: Sequence[tuple[int, Observation]]) -> None:
    """Undo `add` for observations that were already counted before their rows were deleted, and are inserted again."""
    for (device, quarter_hour), sums in sorted(_sum_by_cell(observations).items()):
        same_cell = and_(rollup.c.device == device, rollup.c.quarter_hour == quarter_hour)
        for emotion in EMOTIONS:
            if count := sums.get(emotion):
                changes = {"": count, "_confidence": sums[f"{emotion}_confidence"]}
                changes |= {f"_deleted{suffix}": change for suffix, change in changes.items()}
                # If fewer were deleted from this cell, they were counted in another cell, or not at all.
                counted_before = same_cell & (rollup.c[f"{emotion}_deleted"] >= count)
                columns = {f"{emotion}{suffix}": change for suffix, change in changes.items()}
                values = {name: rollup.c[name] - change for name, change in columns.items()}
                connection.execute(update(rollup).where(counted_before).values(values))


def _sum_by_cell(observations: Sequence[tuple[int, Observation]]) -> dict[tuple[int, int], dict[str, int]]:
    """Counts and sums of confidences, named as the table's columns, by device and quarter of an hour."""
    cells: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for device, observation in observations:
        sums = cells[device, to_epoch_ms(observation.at) // QUARTER_HOUR_MS]
        sums[observation.emotion] += 1
        sums[f"{observation.emotion}_confidence"] += to_fixed_point(observation.confidence)
    return cells

"""Counts by device, quarter of an hour and emotion, updated in the transaction that inserts or deletes observations."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, literal, select, tuple_, update

from mien.broker.database.bulk_sql import upsert
from mien.broker.database.encoding import to_epoch_ms, to_fixed_point
from mien.broker.database.schema import QUARTER_HOUR_MS, rollup
from mien.emotions import EMOTIONS
from mien.messages.observation import Observation

COUNT_COLUMNS = tuple(f"{emotion}{suffix}" for emotion in EMOTIONS for suffix in ("", "_confidence"))
DELETED_COLUMNS = tuple(f"{emotion}{suffix}" for emotion in EMOTIONS for suffix in ("_deleted", "_deleted_confidence"))
BATCH_SIZE = 1000
"""Cells that one statement deletes."""
HAS_NO_ROWS = and_(*(rollup.c[emotion] == rollup.c[f"{emotion}_deleted"] for emotion in EMOTIONS))


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


def count_deleted(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    """Record that rows were deleted, and keep counting them; each has device, quarter_hour, emotion and confidence."""
    _add_to_cells(connection, DELETED_COLUMNS, _sum_rows(rows, "_deleted", 1))


def subtract(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    """No longer count rows that were deleted; each has device, quarter_hour, emotion and confidence."""
    _add_to_cells(connection, COUNT_COLUMNS, _sum_rows(rows, "", -1))


def forget_deleted(
    connection: Connection, device: int, first_quarter_hour: int, end_quarter_hour: int | None
) -> tuple[int, int]:
    """No longer count the rows of a device that were deleted before, and delete cells that then count nothing.

    Changes at most BATCH_SIZE cells before the end, if there is one: returns how many, and how many rows these counted.
    Cells that do not change are not touched, so to repeat it until it returns zero is enough.
    """
    in_span = and_(rollup.c.device == device, rollup.c.quarter_hour >= first_quarter_hour)
    if end_quarter_hour is not None:
        in_span &= rollup.c.quarter_hour < end_quarter_hour
    deleted: ColumnElement[int] = sum((rollup.c[f"{emotion}_deleted"] for emotion in EMOTIONS), literal(0))
    counts_nothing = and_(*(rollup.c[emotion] == 0 for emotion in EMOTIONS))
    query = select(rollup.c.quarter_hour, deleted.label("deleted")).where(in_span, (deleted > 0) | counts_nothing)
    cells = connection.execute(query.order_by(rollup.c.quarter_hour).limit(BATCH_SIZE)).all()
    if cells:
        changed = and_(rollup.c.device == device, rollup.c.quarter_hour.in_([cell.quarter_hour for cell in cells]))
        values: dict[str, Any] = dict.fromkeys(DELETED_COLUMNS, 0)
        for count, deleted_count in zip(COUNT_COLUMNS, DELETED_COLUMNS, strict=True):
            values[count] = rollup.c[count] - rollup.c[deleted_count]
        connection.execute(update(rollup).where(changed).values(values))
        connection.execute(delete(rollup).where(changed, counts_nothing))
    return len(cells), sum(cell.deleted for cell in cells)


def delete_before(connection: Connection, before_ms: int) -> int:
    """Delete at most BATCH_SIZE cells of quarters of an hour that ended before a time; how many were deleted.

    A cell stays as long as observations that it counts are in the log: they may have arrived late.
    """
    is_old = and_(rollup.c.quarter_hour < before_ms // QUARTER_HOUR_MS, HAS_NO_ROWS)
    cell = tuple_(rollup.c.device, rollup.c.quarter_hour)
    old = select(rollup.c.device, rollup.c.quarter_hour).where(is_old).limit(BATCH_SIZE)
    return connection.execute(delete(rollup).where(cell.in_(old))).rowcount


def _sum_rows(rows: Sequence[Row[Any]], suffix: str, sign: int) -> dict[tuple[int, int], Counter[str]]:
    """Counts and sums of confidences times the sign, named as the table's columns, by device and quarter of an hour."""
    cells: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for row in rows:
        name = f"{EMOTIONS[row.emotion]}{suffix}"
        cells[row.device, row.quarter_hour].update({name: sign, f"{name}_confidence": sign * row.confidence})
    return cells


def _add_to_cells(connection: Connection, columns: Sequence[str], cells: dict[tuple[int, int], Counter[str]]) -> None:
    same_cell = and_(rollup.c.device == bindparam("device_key"), rollup.c.quarter_hour == bindparam("quarter_hour_key"))
    statement = update(rollup).where(same_cell)
    statement = statement.values({name: rollup.c[name] + bindparam(f"more_{name}") for name in columns})
    rows = [
        {"device_key": device, "quarter_hour_key": quarter_hour} | {f"more_{name}": sums[name] for name in columns}
        for (device, quarter_hour), sums in sorted(cells.items())
    ]
    connection.execute(statement, rows)


def _sum_by_cell(observations: Sequence[tuple[int, Observation]]) -> dict[tuple[int, int], dict[str, int]]:
    """Counts and sums of confidences, named as the table's columns, by device and quarter of an hour."""
    cells: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for device, observation in observations:
        sums = cells[device, to_epoch_ms(observation.at) // QUARTER_HOUR_MS]
        sums[observation.emotion] += 1
        sums[f"{observation.emotion}_confidence"] += to_fixed_point(observation.confidence)
    return cells

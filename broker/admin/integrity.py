"""Checks an emotion log for consistency and completeness."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, func, select, text

from mien.broker.database import schema
from mien.broker.database.engine import read_transaction
from mien.broker.database.gaps import Gaps, find_gaps
from mien.broker.database.schema import QUARTER_HOUR_MS
from mien.emotions import EMOTIONS
from mien.sequence_ranges import SequenceRange, merge_ranges, subtract_ranges


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """The results of all checks."""

    problems: dict[str, str]
    """By check, what is wrong; empty if nothing is."""
    gaps: Gaps
    """Numbers that a device has counted and that were never acknowledged."""
    dropped: dict[str, int]
    """By device, how many observations it declared lost that were never received."""


def check_log(engine: Engine) -> IntegrityReport:
    """Read the whole log and run all checks. DatabaseError if it cannot be read."""
    with read_transaction(engine) as connection:
        return IntegrityReport(
            problems={
                "file": _check_file(connection),
                "rollup": _check_rollup(connection),
                "unique ids": _check_unique_ids(connection),
                "names": _check_names(connection),
                "acknowledged ranges": _check_acked_ranges(connection),
                "acknowledged numbers": _check_acked_numbers(connection),
            },
            gaps=find_gaps(connection),
            dropped=count_dropped(connection),
        )


def count_dropped(connection: Connection) -> dict[str, int]:
    """By device: observations declared lost, without those that were stored or rejected after all."""
    counts: dict[str, int] = {}
    for (name, _), (lost, received) in _acked_ranges(connection).items():
        if lost:
            remaining = subtract_ranges(lost, received)
            counts[name] = counts.get(name, 0) + sum(last - first + 1 for first, last in remaining)
    return counts


def _acked_ranges(connection: Connection) -> dict[tuple[str, int], tuple[list[SequenceRange], list[SequenceRange]]]:
    """By the device's name and the outbox's key the ranges that were declared lost, and those that were received."""
    ranges: dict[tuple[str, int], tuple[list[SequenceRange], list[SequenceRange]]] = {}
    query = select(schema.acked_range, schema.device.c.name).join(schema.device)
    for row in connection.execute(query.order_by(schema.device.c.name)):
        ranges.setdefault((row.name, row.outbox), ([], []))[row.received].append((row.first, row.last))
    return ranges


def _check_file(connection: Connection) -> str:
    if connection.dialect.name != "sqlite":
        return ""  # PostgreSQL verifies its own files
    lines = [row[0] for row in connection.execute(text("PRAGMA integrity_check"))]
    lines += [f"{row[0]} refers to a missing {row[2]}" for row in connection.execute(text("PRAGMA foreign_key_check"))]
    return "" if lines == ["ok"] else "; ".join(line for line in lines[:3] if line != "ok")


def _check_rollup(connection: Connection) -> str:
    observation, rollup = schema.observation, schema.rollup
    quarter_hour = (observation.c.at_ms // QUARTER_HOUR_MS).label("quarter_hour")
    actual = {
        (row.device, row.quarter_hour, row.emotion): (row.observations, row.confidence)
        for row in connection.execute(
            select(
                observation.c.device,
                quarter_hour,
                observation.c.emotion,
                func.count().label("observations"),
                func.sum(observation.c.confidence).label("confidence"),
            ).group_by(observation.c.device, quarter_hour, observation.c.emotion)
        )
    }
    expected = {
        (row["device"], row["quarter_hour"], code): (
            row[emotion] - row[f"{emotion}_deleted"],
            row[f"{emotion}_confidence"] - row[f"{emotion}_deleted_confidence"],
        )
        for row in connection.execute(select(rollup)).mappings()
        for code, emotion in enumerate(EMOTIONS)
    }
    expected = {cell: sums for cell, sums in expected.items() if sums != (0, 0)}
    cells = actual.keys() | expected.keys()
    different = sum(expected.get(cell) != actual.get(cell) for cell in cells)
    return f"{different} of {len(cells)} counts differ from the observations" if different else ""


def _check_unique_ids(connection: Connection) -> str:
    """An id is in the log once; of the same device, it is not among the rejected messages as well."""
    observation, dropped, rejected = schema.observation, schema.dropped, schema.rejected
    duplicates = 0
    for left, right, is_same in (
        (observation, dropped, observation.c.id == dropped.c.id),
        (observation, rejected, _is_same_message(observation, rejected)),
        (dropped, rejected, _is_same_message(dropped, rejected)),
    ):
        query = select(func.count()).select_from(left.join(right, is_same))
        duplicates += connection.execute(query).scalar_one()
    return f"{duplicates} ids are in two tables" if duplicates else ""


def _is_same_message(stored: Table, rejected: Table) -> ColumnElement[bool]:
    return and_(stored.c.id == rejected.c.id, stored.c.device == rejected.c.device)


def _check_names(connection: Connection) -> str:
    """The names that no foreign key protects."""
    missing = 0
    for table in schema.metadata.tables.values():
        for column in table.c:
            name = column.name.removeprefix("previous_")
            if name in schema.DELETED_LOOKUPS and column.table.name != name:
                names = schema.lookup_tables[name]
                query = select(column.label("key")).where(column.is_not(None)).distinct().subquery()
                is_missing = query.c.key.not_in(select(names.c.key))
                missing += connection.execute(select(func.count()).select_from(query).where(is_missing)).scalar_one()
    return f"{missing} outboxes or captures have no name" if missing else ""


def _check_acked_ranges(connection: Connection) -> str:
    groups = [group for both in _acked_ranges(connection).values() for group in both]
    overlapping = sum(merge_ranges(group) != sorted(group) for group in groups)
    return f"{overlapping} outboxes have ranges that overlap" if overlapping else ""


def _check_acked_numbers(connection: Connection) -> str:
    """Every row was acknowledged."""
    acked_range, missing = schema.acked_range, 0
    for table in (schema.observation, schema.dropped, schema.rejected):
        last = (
            select(acked_range.c.last)
            .where(
                acked_range.c.device == table.c.device,
                acked_range.c.outbox == table.c.outbox,
                acked_range.c.received == 1,
                acked_range.c.first <= table.c.seq,
            )
            .order_by(acked_range.c.first.desc())
            .limit(1)
            .scalar_subquery()
        )
        is_missing = and_(table.c.outbox.is_not(None), func.coalesce(last, 0) < table.c.seq)
        missing += connection.execute(select(func.count()).select_from(table).where(is_missing)).scalar_one()
    return f"the numbers of {missing} messages are not in the ranges" if missing else ""

"""Checks an emotion log for consistency and completeness."""

from dataclasses import dataclass
from itertools import combinations

from sqlalchemy import Connection, Engine, func, select, text

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
                "acknowledged ranges": _check_acked_ranges(connection),
            },
            gaps=find_gaps(connection),
            dropped=count_dropped(connection),
        )


def count_dropped(connection: Connection) -> dict[str, int]:
    """By device: observations declared lost, without those that were stored or rejected after all."""
    dropped, device, acked_range = schema.dropped, schema.device, schema.acked_range
    losses: dict[tuple[str, int], list[SequenceRange]] = {}
    query = select(device.c.name, dropped.c.outbox, dropped.c.first, dropped.c.last)
    for name, outbox, first, last in connection.execute(query.join(device, device.c.key == dropped.c.device)):
        losses.setdefault((name, outbox), []).append((first, last))
    counts: dict[str, int] = {}
    for (name, outbox), lost in losses.items():
        query_received = select(acked_range.c.first, acked_range.c.last).where(
            acked_range.c.outbox == outbox, acked_range.c.received == 1
        )
        received = [(row.first, row.last) for row in connection.execute(query_received)]
        remaining = subtract_ranges(lost, received)
        counts[name] = counts.get(name, 0) + sum(last - first + 1 for first, last in remaining)
    return counts


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
    duplicates = 0
    for left, right in combinations((schema.observation, schema.rejected, schema.dropped), 2):
        query = select(func.count()).select_from(left.join(right, left.c.id == right.c.id))
        duplicates += connection.execute(query).scalar_one()
    return f"{duplicates} ids are in two tables" if duplicates else ""


def _check_acked_ranges(connection: Connection) -> str:
    ranges: dict[tuple[int, int], list[SequenceRange]] = {}
    for row in connection.execute(select(schema.acked_range)):
        ranges.setdefault((row.outbox, row.received), []).append((row.first, row.last))
    overlapping = sum(merge_ranges(group) != sorted(group) for group in ranges.values())
    return f"the ranges of {overlapping} outboxes overlap" if overlapping else ""

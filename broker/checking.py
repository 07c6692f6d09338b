"""Whether an emotion log is sound and whole."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select, text

from mien.emotions import EMOTIONS

from . import schema
from .answered import Run, merged, without
from .database import reading
from .gaps import Gaps, gaps
from .schema import QUARTER_MS


@dataclass(frozen=True, slots=True)
class Check:
    """What was found."""

    problems: dict[str, str]
    """By check, what is wrong; empty words where nothing is."""
    gaps: Gaps
    """Numbers that a device has counted and nobody has answered."""
    dropped: dict[str, int]
    """Observations that a device has declared lost and that did not come after all."""


def check_log(engine: Engine) -> Check:
    """Read the whole log and compare. DatabaseError if it cannot be read."""
    with reading(engine) as connection:
        return Check(
            problems={
                "file": _file(connection),
                "rollup": _rollup(connection),
                "each id once": _ids(connection),
                "runs of answered numbers": _runs(connection),
            },
            gaps=gaps(connection),
            dropped=dropped(connection),
        )


def dropped(connection: Connection) -> dict[str, int]:
    """By device: observations declared lost, without those that were stored or rejected after all."""
    found: dict[str, int] = {}
    loss, device = schema.dropped, schema.device
    runs: dict[tuple[str, int], list[Run]] = {}
    wanted = select(device.c.name, loss.c.outbox, loss.c.first, loss.c.last).join(device, device.c.key == loss.c.device)
    for name, outbox, first, last in connection.execute(wanted):
        runs.setdefault((name, outbox), []).append((first, last))
    answered = schema.answered
    for (name, outbox), lost in runs.items():
        settled = select(answered.c.first, answered.c.last).where(answered.c.outbox == outbox, answered.c.settled == 1)
        left = without(lost, [(row.first, row.last) for row in connection.execute(settled)])
        found[name] = found.get(name, 0) + sum(last - first + 1 for first, last in left)
    return found


def _file(connection: Connection) -> str:
    if connection.dialect.name != "sqlite":
        return ""  # PostgreSQL looks after its own
    lines = [row[0] for row in connection.execute(text("PRAGMA integrity_check"))]
    lines += [f"{row[0]} refers to a missing {row[2]}" for row in connection.execute(text("PRAGMA foreign_key_check"))]
    return "" if lines == ["ok"] else "; ".join(line for line in lines[:3] if line != "ok")


def _rollup(connection: Connection) -> str:
    observation, rollup = schema.observation, schema.rollup
    quarter = (observation.c.at_ms // QUARTER_MS).label("quarter")
    counted = {
        (row.device, row.quarter, row.emotion): (row.observations, row.confidence)
        for row in connection.execute(
            select(
                observation.c.device,
                quarter,
                observation.c.emotion,
                func.count().label("observations"),
                func.sum(observation.c.confidence).label("confidence"),
            ).group_by(observation.c.device, quarter, observation.c.emotion)
        )
    }
    kept = {
        (row["device"], row["quarter"], number): (
            row[name] - row[f"{name}_forgotten"],
            row[f"{name}_confidence"] - row[f"{name}_forgotten_confidence"],
        )
        for row in connection.execute(select(rollup)).mappings()
        for number, name in enumerate(EMOTIONS)
    }
    kept = {cell: left for cell, left in kept.items() if left != (0, 0)}
    cells = counted.keys() | kept.keys()
    wrong = sum(kept.get(cell) != counted.get(cell) for cell in cells)
    return f"{wrong} of {len(cells)} counts differ from the observations" if wrong else ""


def _ids(connection: Connection) -> str:
    twice = 0
    tables = (schema.observation, schema.rejected, schema.dropped)
    for place, one in enumerate(tables):
        for other in tables[place + 1 :]:
            joined = select(func.count()).select_from(one.join(other, one.c.id == other.c.id))
            twice += connection.execute(joined).scalar_one()
    return f"{twice} ids stand in two tables" if twice else ""


def _runs(connection: Connection) -> str:
    answered = schema.answered
    runs: dict[tuple[int, int], list[Run]] = {}
    for row in connection.execute(select(answered)):
        runs.setdefault((row.outbox, row.settled), []).append((row.first, row.last))
    wrong = sum(merged(found) != sorted(found) for found in runs.values())
    return f"those of {wrong} outboxes overlap" if wrong else ""

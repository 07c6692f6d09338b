"""Counts by device, quarter of an hour and emotion, kept in the transaction that inserts the observations."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, and_, update

from mien.emotions import EMOTIONS
from mien.observation import Observation

from .schema import QUARTER_MS, rollup
from .statements import upsert
from .values import milliseconds, scaled

COUNTED = tuple(f"{emotion}{kind}" for emotion in EMOTIONS for kind in ("", "_confidence"))


def add(connection: Connection, observations: Sequence[tuple[int, Observation]]) -> None:
    """Count observations that were really inserted, each with its device's key."""
    statement = upsert(connection, rollup)
    statement = statement.on_conflict_do_update(
        index_elements=[rollup.c.device, rollup.c.quarter],
        set_={name: rollup.c[name] + statement.excluded[name] for name in COUNTED},
    )
    rows = [
        {"device": device, "quarter": quarter} | dict.fromkeys(COUNTED, 0) | sums
        for (device, quarter), sums in sorted(_sums(observations).items())
    ]
    connection.execute(statement, rows)


def take_back(connection: Connection, observations: Sequence[tuple[int, Observation]]) -> None:
    """Undo `add` for observations that were counted before their rows were deleted, and are here again."""
    for (device, quarter), sums in sorted(_sums(observations).items()):
        here = and_(rollup.c.device == device, rollup.c.quarter == quarter)
        for emotion in EMOTIONS:
            if count := sums.get(emotion):
                changes = {"": count, "_confidence": sums[f"{emotion}_confidence"]}
                changes |= {f"_forgotten{kind}": change for kind, change in changes.items()}
                names = {f"{emotion}{kind}": change for kind, change in changes.items()}
                # if fewer are forgotten there, they were counted in another row, or by nobody
                counted_before = here & (rollup.c[f"{emotion}_forgotten"] >= count)
                values = {name: rollup.c[name] - change for name, change in names.items()}
                connection.execute(update(rollup).where(counted_before).values(values))


def _sums(observations: Sequence[tuple[int, Observation]]) -> dict[tuple[int, int], dict[str, int]]:
    """Counts and summed confidences, named as in the table, by device and quarter."""
    sums: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for device, seen in observations:
        row = sums[device, milliseconds(seen.at) // QUARTER_MS]
        row[seen.emotion] += 1
        row[f"{seen.emotion}_confidence"] += scaled(seen.confidence)
    return sums

"""Counts by device, quarter of an hour and emotion, kept in the transaction that inserts the observations."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection

from mien.observation import Observation

from .schema import QUARTER_MS, rollup
from .statements import upsert
from .values import NUMBERS, milliseconds, scaled


def add(connection: Connection, observations: Sequence[tuple[int, Observation]]) -> None:
    """Count observations that were really inserted, each with its device's key."""
    sums: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for device, seen in observations:
        cell = sums[device, milliseconds(seen.at) // QUARTER_MS, NUMBERS[seen.emotion]]
        cell[0] += 1
        cell[1] += scaled(seen.confidence)
    statement = upsert(connection, rollup)
    statement = statement.on_conflict_do_update(
        index_elements=[rollup.c.device, rollup.c.quarter, rollup.c.emotion],
        set_={
            "observations": rollup.c.observations + statement.excluded.observations,
            "confidence": rollup.c.confidence + statement.excluded.confidence,
        },
    )
    names = ("device", "quarter", "emotion", "observations", "confidence")
    rows = [dict(zip(names, (*key, *cell), strict=True)) for key, cell in sorted(sums.items())]
    connection.execute(statement, rows)

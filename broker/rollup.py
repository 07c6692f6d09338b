"""Counts by device, quarter of an hour and emotion, kept in the transaction that inserts the observations."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, and_, update

from mien.observation import Observation

from .schema import QUARTER_MS, rollup
from .statements import upsert
from .values import NUMBERS, milliseconds, scaled


def add(connection: Connection, observations: Sequence[tuple[int, Observation]]) -> None:
    """Count observations that were really inserted, each with its device's key."""
    sums = _sums(observations)
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


def take_back(connection: Connection, observations: Sequence[tuple[int, Observation]]) -> None:
    """Undo `add` for observations that were counted before their rows were deleted, and are here again."""
    sums = _sums(observations)
    for (of_device, quarter, emotion), (count, confidence) in sorted(sums.items()):
        here = and_(rollup.c.device == of_device, rollup.c.quarter == quarter, rollup.c.emotion == emotion)
        counted_before = here & (rollup.c.forgotten >= count)  # if not, another cell or nobody counted them
        connection.execute(
            update(rollup)
            .where(counted_before)
            .values(
                observations=rollup.c.observations - count,
                confidence=rollup.c.confidence - confidence,
                forgotten=rollup.c.forgotten - count,
                forgotten_confidence=rollup.c.forgotten_confidence - confidence,
            )
        )


def _sums(observations: Sequence[tuple[int, Observation]]) -> dict[tuple[int, int, int], list[int]]:
    """Counts and summed confidences by device, quarter and emotion."""
    sums: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for device, seen in observations:
        cell = sums[device, milliseconds(seen.at) // QUARTER_MS, NUMBERS[seen.emotion]]
        cell[0] += 1
        cell[1] += scaled(seen.confidence)
    return sums

"""Which numbers of an outbox have been answered, as runs; what is in none of them is a gap."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, and_, delete, insert, select

from mien.acknowledgement import ranges

from .schema import answered

Run = tuple[int, int]
"""First and last number, both in it."""


def merged(runs: Iterable[Run]) -> list[Run]:
    """The same numbers in as few runs as possible, ascending."""
    found: list[Run] = []
    for first, last in sorted(runs):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def without(runs: Sequence[Run], taken: Sequence[Run]) -> list[Run]:
    """The numbers of `runs` that are in none of `taken`."""
    left: list[Run] = []
    others = merged(taken)
    for first, last in merged(runs):
        for begin, end in others:
            if end < first or begin > last:
                continue
            if begin > first:
                left.append((first, begin - 1))
            first = end + 1
        if first <= last:
            left.append((first, last))
    return left


def enter(connection: Connection, numbers: dict[int, set[int]], losses: dict[int, list[Run]]) -> None:
    """Enter, by outbox key, numbers that were stored or rejected and runs that were declared lost."""
    for outbox, chosen in sorted(numbers.items()):
        _enter(connection, outbox, settled=True, runs=ranges(chosen))
    for outbox, runs in sorted(losses.items()):
        _enter(connection, outbox, settled=False, runs=merged(runs))


def _enter(connection: Connection, outbox: int, *, settled: bool, runs: list[Run]) -> None:
    """Join runs with those that they overlap or touch."""
    own = and_(answered.c.outbox == outbox, answered.c.settled == int(settled))
    lowest, highest = runs[0][0] - 1, max(last for _, last in runs) + 1
    near = select(answered.c.first, answered.c.last).where(own, answered.c.first <= highest, answered.c.last >= lowest)
    known = {(row.first, row.last) for row in connection.execute(near)}
    wanted = set(merged([*known, *runs]))
    if gone := [first for first, _ in known - wanted]:
        connection.execute(delete(answered).where(own, answered.c.first.in_(gone)))
    if new := sorted(wanted - known):
        fixed = {"outbox": outbox, "settled": int(settled)}
        connection.execute(insert(answered), [{**fixed, "first": first, "last": last} for first, last in new])

"""Which numbers of an outbox have been answered, as runs; what is in none of them is a gap."""

from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Connection, and_, bindparam, delete, insert, update

from mien.acknowledgement import ranges

from .schema import answered
from .statements import rows_joined

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
    new = {(outbox, 1): ranges(chosen) for outbox, chosen in numbers.items()}
    new |= {(outbox, 0): merged(runs) for outbox, runs in losses.items()}
    if not new:
        return
    known = _near(connection, new)
    changes: dict[str, list[dict[str, int]]] = {"gone": [], "longer": [], "new": []}
    for (outbox, settled), runs in sorted(new.items()):
        before = dict(known.get((outbox, settled), []))
        after = dict(merged([*before.items(), *runs]))
        fixed = {"of_outbox": outbox, "of_settled": settled}
        changes["gone"] += [{**fixed, "of_first": first} for first in before.keys() - after.keys()]
        for first, last in after.items():
            if before.get(first) != last:
                kind = "longer" if first in before else "new"
                changes[kind].append({**fixed, "of_first": first, "of_last": last})
    number = BigInteger()
    whole = {name: bindparam(f"of_{name}", type_=number) for name in ("outbox", "settled", "first", "last")}
    here = and_(*(answered.c[name] == whole[name] for name in ("outbox", "settled", "first")))
    statements = {
        "gone": delete(answered).where(here),
        "longer": update(answered).where(here).values(last=whole["last"]),
        "new": insert(answered).values(whole),
    }
    for kind, rows in changes.items():
        if rows:
            connection.execute(statements[kind], rows)


def _near(connection: Connection, new: dict[tuple[int, int], list[Run]]) -> dict[tuple[int, int], list[Run]]:
    """The runs that the new ones may overlap or touch: those that begin between, and the one before each."""
    wanted = [(outbox, settled, first, last + 1) for (outbox, settled), runs in new.items() for first, last in runs]
    known: dict[tuple[int, int], list[Run]] = {}
    for outbox, settled, first, last in rows_joined(connection, wanted, NEAR):
        if first is not None:
            known.setdefault((outbox, settled), []).append((first, last))
    return known


NEAR = """
WITH new (outbox, settled, low, high) AS ({values}) SELECT known.outbox, known.settled, known.first, known.last
FROM new JOIN answered AS known
ON known.outbox = new.outbox AND known.settled = new.settled AND known.first BETWEEN new.low AND new.high
UNION SELECT outbox, settled, (
    SELECT max(first) FROM answered AS before
    WHERE before.outbox = new.outbox AND before.settled = new.settled AND before.first < new.low
), (
    SELECT last FROM answered AS before
    WHERE before.outbox = new.outbox AND before.settled = new.settled AND before.first < new.low
    ORDER BY before.first DESC LIMIT 1
) FROM new
"""

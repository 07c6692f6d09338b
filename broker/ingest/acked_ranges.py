"""Records which sequence numbers of an outbox were acknowledged, as ranges; a number in none of them may be a gap."""

from sqlalchemy import BigInteger, Connection, and_, bindparam, delete, insert, update

from mien.broker.database.bulk_sql import select_with_values
from mien.broker.database.schema import acked_range
from mien.sequence_ranges import SequenceRange, merge_ranges, to_ranges

Outbox = tuple[int, int]
"""The key of a device and of one of its outboxes: another device's numbers in the same outbox are not the same."""
NEIGHBORS = """
WITH new (device, outbox, received, low, high) AS ({values})
SELECT known.device, known.outbox, known.received, known.first, known.last
FROM new JOIN acked_range AS known
ON known.device = new.device AND known.outbox = new.outbox AND known.received = new.received
AND known.first BETWEEN new.low AND new.high
UNION SELECT device, outbox, received, (
    SELECT max(first) FROM acked_range AS previous
    WHERE previous.device = new.device AND previous.outbox = new.outbox AND previous.received = new.received
    AND previous.first < new.low
), (
    SELECT last FROM acked_range AS previous
    WHERE previous.device = new.device AND previous.outbox = new.outbox AND previous.received = new.received
    AND previous.first < new.low
    ORDER BY previous.first DESC LIMIT 1
) FROM new
"""


def record(connection: Connection, received: dict[Outbox, set[int]], lost: dict[Outbox, list[SequenceRange]]) -> None:
    """Record the numbers that were stored or rejected and the ranges that were declared lost."""
    new = {(*outbox, 1): to_ranges(numbers) for outbox, numbers in received.items()}
    new |= {(*outbox, 0): merge_ranges(ranges) for outbox, ranges in lost.items()}
    if not new:
        return
    known = _select_neighbors(connection, new)
    changes: dict[str, list[dict[str, int]]] = {"delete": [], "extend": [], "insert": []}
    for (device, outbox, is_received), ranges in sorted(new.items()):
        before = dict(known.get((device, outbox, is_received), []))
        after = dict(merge_ranges([*before.items(), *ranges]))
        group = {"device_key": device, "outbox_key": outbox, "received_key": is_received}
        changes["delete"] += [{**group, "first_key": first} for first in before.keys() - after.keys()]
        for first, last in after.items():
            if before.get(first) != last:
                change = "extend" if first in before else "insert"
                changes[change].append({**group, "first_key": first, "new_last": last})
    key = {name: bindparam(f"{name}_key", type_=BigInteger()) for name in ("device", "outbox", "received", "first")}
    new_last = bindparam("new_last", type_=BigInteger())
    same_key = and_(*(acked_range.c[name] == parameter for name, parameter in key.items()))
    statements = {
        "delete": delete(acked_range).where(same_key),
        "extend": update(acked_range).where(same_key).values(last=new_last),
        "insert": insert(acked_range).values(**key, last=new_last),
    }
    for change, rows in changes.items():
        if rows:
            connection.execute(statements[change], rows)


def _select_neighbors(
    connection: Connection, new: dict[tuple[int, int, int], list[SequenceRange]]
) -> dict[tuple[int, int, int], list[SequenceRange]]:
    """The ranges that each new one may overlap or touch: those that begin in it, and the last that begins before it."""
    values = [(*group, first, last + 1) for group, ranges in new.items() for first, last in ranges]
    known: dict[tuple[int, int, int], list[SequenceRange]] = {}
    for device, outbox, received, first, last in select_with_values(connection, values, NEIGHBORS):
        if first is not None:
            known.setdefault((device, outbox, received), []).append((first, last))
    return known

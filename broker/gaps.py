"""What is missing: numbers that a device has counted, that it no longer holds, and that nobody has answered."""

from collections import defaultdict
from uuid import UUID

from sqlalchemy import Connection, select

from . import schema
from .answered import Run, without

Gaps = dict[str, dict[str, list[Run]]]
"""The missing numbers by device and outbox: all devices that told of an outbox, and of outboxes those with gaps."""


def gaps(connection: Connection) -> Gaps:
    """Compare what devices have counted with what has been answered."""
    counted, device, outbox = schema.counted, schema.device, schema.outbox
    wanted = (
        select(counted, device.c.name.label("device_name"), outbox.c.name.label("outbox_name"))
        .join(device, device.c.key == counted.c.device)
        .join(outbox, outbox.c.key == counted.c.outbox)
        .order_by(counted.c.received_ms, counted.c.outbox)
    )
    told = connection.execute(wanted).all()
    present = {row.device: row.outbox for row in told}  # the last that each device spoke of
    before = {row.outbox: row.continues for row in told if row.continues is not None}
    continued: dict[int, int] = {}
    for row in told:
        continued[row.continues] = max(continued.get(row.continues, 0), row.first_seq)
    answered = _answered(connection)
    found: Gaps = {row.device_name: {} for row in told}
    for row in told:
        if row.outbox == present[row.device]:
            end = row.oldest_seq  # the rest waits
        elif row.outbox in continued:
            end = max(row.oldest_seq, continued[row.outbox])  # the rest waits, or is told of, under another name
        else:
            end = row.next_seq  # the rest went with the outbox
        runs = [(row.first_seq, end - 1)] if end > row.first_seq else []
        missing = without(runs, [run for outbox in _line(row.outbox, before) for run in answered[outbox]])
        if missing:
            found[row.device_name][str(UUID(bytes=row.outbox_name))] = missing
    return found


def count_gaps(connection: Connection) -> dict[str, int]:
    """How many numbers each device is missing."""
    return {
        device: sum(last - first + 1 for runs in outboxes.values() for first, last in runs)
        for device, outboxes in gaps(connection).items()
    }


def _line(outbox: int, before: dict[int, int]) -> list[int]:
    """An outbox and those that it continues: its numbers may have been answered under their names."""
    line = [outbox]
    while (earlier := before.get(line[-1])) is not None and earlier not in line:
        line.append(earlier)
    return line


def _answered(connection: Connection) -> defaultdict[int, list[Run]]:
    runs: defaultdict[int, list[Run]] = defaultdict(list)
    answered = schema.answered
    for outbox, first, last in connection.execute(select(answered.c.outbox, answered.c.first, answered.c.last)):
        runs[outbox].append((first, last))
    return runs

"""Finds gaps: sequence numbers that a device has counted but no longer holds, and that were never acknowledged."""

from collections import defaultdict
from uuid import UUID

from sqlalchemy import Connection, select

from mien.sequence_ranges import SequenceRange, subtract_ranges

from .schema import acked_range, device, outbox, outbox_counter

OutboxKeys = tuple[int, int]
"""The keys of a device and of one of its outboxes."""
Gaps = dict[str, dict[str, list[SequenceRange]]]
"""The missing ranges by device and outbox: all devices that have reported an outbox, and their outboxes with gaps."""


def find_gaps(connection: Connection) -> Gaps:
    """Compare the numbers that devices have counted with those that were acknowledged."""
    query = (
        select(outbox_counter, device.c.name.label("device_name"), outbox.c.name.label("outbox_name"))
        .join(device, device.c.key == outbox_counter.c.device)
        .join(outbox, outbox.c.key == outbox_counter.c.outbox)
        .order_by(outbox_counter.c.received_ms, outbox_counter.c.outbox)
    )
    counters = connection.execute(query).all()
    current_outbox = {row.device: row.outbox for row in counters}  # the last that each device reported
    previous_outbox = {
        (row.device, row.outbox): (row.device, row.previous_outbox)
        for row in counters
        if row.previous_outbox is not None
    }
    continued_from: dict[OutboxKeys, int] = {}  # by outbox, the first number that a later outbox took over
    for row in counters:
        if previous := previous_outbox.get((row.device, row.outbox)):
            continued_from[previous] = max(continued_from.get(previous, 0), row.first_seq)
    acked_ranges = _acked_ranges(connection)
    gaps: Gaps = {row.device_name: {} for row in counters}
    for row in counters:
        keys = row.device, row.outbox
        if row.outbox == current_outbox[row.device]:
            end = row.oldest_seq  # the rest is waiting
        elif keys in continued_from:
            end = max(row.oldest_seq, continued_from[keys])  # the rest belongs to the outbox that took it over
        else:
            end = row.next_seq  # the rest was lost with the outbox
        counted = [(row.first_seq, end - 1)] if end > row.first_seq else []
        acked = [acked for one in _with_predecessors(keys, previous_outbox) for acked in acked_ranges[one]]
        missing = subtract_ranges(counted, acked)
        if missing:
            gaps[row.device_name][str(UUID(bytes=row.outbox_name))] = missing
    return gaps


def count_gaps(connection: Connection) -> dict[str, int]:
    """How many numbers are missing from each device."""
    return {
        device_name: sum(last - first + 1 for ranges in outboxes.values() for first, last in ranges)
        for device_name, outboxes in find_gaps(connection).items()
    }


def _with_predecessors(keys: OutboxKeys, previous_outbox: dict[OutboxKeys, OutboxKeys]) -> list[OutboxKeys]:
    """An outbox and those that it took over: its numbers may have been acknowledged under their ids."""
    chain = [keys]
    while (previous := previous_outbox.get(chain[-1])) is not None and previous not in chain:
        chain.append(previous)
    return chain


def _acked_ranges(connection: Connection) -> defaultdict[OutboxKeys, list[SequenceRange]]:
    ranges: defaultdict[OutboxKeys, list[SequenceRange]] = defaultdict(list)
    query = select(acked_range.c.device, acked_range.c.outbox, acked_range.c.first, acked_range.c.last)
    for device_key, outbox_key, first, last in connection.execute(query):
        ranges[device_key, outbox_key].append((first, last))
    return ranges

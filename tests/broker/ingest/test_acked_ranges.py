"""The acknowledged ranges compared with a set of every number, on SQLite and PostgreSQL."""

from itertools import product
from random import Random

from sqlalchemy import insert, select

from mien.broker.database import schema
from mien.broker.database.engine import open_for_writing
from mien.broker.ingest import acked_ranges
from mien.sequence_ranges import merge_ranges


def test_the_ranges_contain_the_recorded_numbers_and_no_others(log: str) -> None:
    random = Random(3)
    engine = open_for_writing(log)
    with engine.begin() as connection:
        connection.execute(insert(schema.device), [{"key": key, "name": f"device-{key}"} for key in (1, 2)])
    outboxes = [(1, 1), (1, 2), (2, 1)]  # two devices may have numbered the same outbox
    recorded: dict[tuple[tuple[int, int], int], set[int]] = {key: set() for key in product(outboxes, (0, 1))}
    for _ in range(150):
        received = {outbox: set(random.sample(range(1, 300), random.randrange(1, 12))) for outbox in outboxes}
        lost = {(1, 1): [(first, first + random.randrange(6)) for first in random.sample(range(1, 300), 2)]}
        for outbox, numbers in received.items():
            recorded[outbox, 1] |= numbers
        recorded[(1, 1), 0] |= {number for first, last in lost[1, 1] for number in range(first, last + 1)}
        with engine.begin() as connection:
            acked_ranges.record(connection, received, lost)
            stored = connection.execute(select(schema.acked_range).order_by(schema.acked_range.c.first)).all()
        for (outbox, is_received), numbers in recorded.items():
            ranges = [
                (row.first, row.last)
                for row in stored
                if ((row.device, row.outbox), row.received) == (outbox, is_received)
            ]
            assert ranges == merge_ranges((number, number) for number in numbers)
    engine.dispose()

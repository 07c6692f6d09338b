"""The runs of answered numbers against a set that holds each number, on SQLite and on PostgreSQL."""

from itertools import product
from random import Random

from sqlalchemy import insert, select

from mien.broker import answered, schema
from mien.broker.answered import merged
from mien.broker.database import open_for_writing


def test_runs_hold_the_numbers_that_were_entered_and_no_others(log: str) -> None:
    source = Random(3)
    engine = open_for_writing(log)
    with engine.begin() as connection:
        connection.execute(insert(schema.outbox), [{"key": key, "name": bytes([key]) * 16} for key in (1, 2)])
    entered: dict[tuple[int, int], set[int]] = {key: set() for key in product((1, 2), (0, 1))}
    for _ in range(150):
        numbers = {key: set(source.sample(range(1, 300), source.randrange(1, 12))) for key in (1, 2)}
        losses = {1: [(first, first + source.randrange(6)) for first in source.sample(range(1, 300), 2)]}
        for key, chosen in numbers.items():
            entered[key, 1] |= chosen
        entered[1, 0] |= {number for first, last in losses[1] for number in range(first, last + 1)}
        with engine.begin() as connection:
            answered.enter(connection, numbers, losses)
            kept = connection.execute(select(schema.answered).order_by(schema.answered.c.first)).all()
        for (outbox, settled), chosen in entered.items():
            runs = [(row.first, row.last) for row in kept if (row.outbox, row.settled) == (outbox, settled)]
            assert runs == merged((number, number) for number in chosen)
    engine.dispose()

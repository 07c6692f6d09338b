"""Deletes the captures that no observation belongs to any more, while collectors write."""

from sqlalchemy import Engine, delete, exists, func, select

from mien.broker.database.engine import read_transaction, write_transaction
from mien.broker.database.schema import capture, observation

BATCH_SIZE = 1000


def delete_unused_captures(writer: Engine, reader: Engine) -> int:
    """How many were deleted. DatabaseError if the log cannot be read or written.

    No index leads from a capture to its observations, so all are searched once, by the reader, while collectors can
    write; what they have stored meanwhile is searched again with each batch.
    """
    with write_transaction(writer) as connection:  # alone: all rows up to this one are committed
        newest_key = connection.scalar(select(func.max(observation.c.key))) or 0
    with read_transaction(reader) as connection:
        is_unused = ~exists(select(1).where(observation.c.capture == capture.c.key))
        if connection.dialect.name == "sqlite":  # a single pass over the rows; PostgreSQL plans that by itself
            is_unused = capture.c.key.not_in(select(observation.c.capture).distinct())
        unused = connection.scalars(select(capture.c.key).where(is_unused)).all()
    used_since = select(observation.c.capture).where(observation.c.key > newest_key)
    deleted = 0
    for start in range(0, len(unused), BATCH_SIZE):
        batch = capture.c.key.in_(unused[start : start + BATCH_SIZE])
        with write_transaction(writer) as connection:
            deleted += connection.execute(delete(capture).where(batch, capture.c.key.not_in(used_since))).rowcount
    return deleted

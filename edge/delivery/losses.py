"""What a full outbox drops, and how it declares the loss, within a caller's transaction."""

import sqlite3
from collections.abc import Sequence
from uuid import UUID

from uuid6 import uuid7

from mien.messages.dropped import Dropped, encode_dropped

from .clock import Timestamp
from .outbox_rows import delete_rows, insert_row, take_next_seq


def drop_oldest_observations(
    database: sqlite3.Connection, *, before_seq: int, excess_rows: int, excess_bytes: int
) -> list[int]:
    """Delete as many observations, numbered below `before_seq`, as it takes to get rid of the excess; their `seq`."""
    dropped: list[int] = []
    oldest = database.execute(
        "SELECT seq, length(payload) FROM message WHERE dropped_last IS NULL AND seq < ? ORDER BY seq", (before_seq,)
    )
    for seq, length in oldest:
        dropped.append(seq)
        excess_rows, excess_bytes = excess_rows - 1, excess_bytes - length
        if excess_rows <= 0 and excess_bytes <= 0:
            break
    delete_rows(database, dropped)
    return dropped


def declare_loss(
    database: sqlite3.Connection, dropped: Sequence[int], *, device: str, outbox: UUID, timestamp: Timestamp
) -> None:
    """Declare numbers, in ascending order, as lost: add them to a declaration that is not published yet, or insert a
    new one. A declaration covers only lower numbers than its own.
    """
    declaration = database.execute(
        "SELECT seq, dropped_first, dropped_last FROM message WHERE is_final = 0 AND dropped_last IS NOT NULL "
        "ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    if declaration and dropped[-1] < declaration[0]:
        seq, first, last = declaration
        first, last = min(first, dropped[0]), max(last, dropped[-1])
        delete_rows(database, [seq])
    else:
        seq, first, last = take_next_seq(database), dropped[0], dropped[-1]
    loss = Dropped(
        id=uuid7(), device=device, outbox=outbox, seq=seq, first=first, last=last, cause="full", at=timestamp.at
    )
    insert_row(database, seq, encode_dropped(loss), timestamp, is_final=False, dropped_range=(first, last))

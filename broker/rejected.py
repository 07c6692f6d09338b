"""Messages that could not be stored: listed, tried again, cleared."""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, func, select, update
from sqlalchemy.exc import DataError

from .arrival import decode_arrival
from .bar import Bar, unseen
from .database import reading, writing
from .schema import rejected
from .store import commit

PIECE = 500


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of trying again."""

    stored: int
    still_rejected: int


def list_rejected(engine: Engine, *, limit: int) -> list[dict[str, Any]]:
    """The newest, at most `limit`, oldest first: number, when it came, topic, reason, payload; None if purged."""
    wanted = select(rejected).order_by(rejected.c.key.desc()).limit(limit)
    with reading(engine) as connection:
        rows = connection.execute(wanted).all()
    return [
        {
            "number": row.key,
            "received": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.received_ms / 1000)),
            "topic": row.topic,
            "reason": row.reason,
            "payload": None if row.payload is None else row.payload.decode("utf-8", "backslashreplace"),
        }
        for row in reversed(rows)
    ]


def replay(engine: Engine, bar: Bar = unseen) -> Replayed:
    """Decode every kept payload anew, by this release's rules, and store what is good now.

    A message moves from `rejected` to the log in one transaction: at no moment is it in both, or in neither.
    DatabaseError if the log cannot be written; what was moved before stays so.
    """
    stored = still = last = 0
    with bar("messages", _kept(engine)) as advance:
        while True:
            with writing(engine) as connection:
                rows = connection.execute(_next(select(rejected), last)).all()
                moved = sum(_moved(connection, row) for row in rows)
            if not rows:
                return Replayed(stored, still)
            last = rows[-1].key
            stored += moved
            still += len(rows) - moved
            advance(len(rows))


def _moved(connection: Connection, row: Row[Any]) -> bool:
    """Whether a message is good now, and stands in the log."""
    device = row.topic.split("/")[-2] if "/" in row.topic else ""
    arrival = decode_arrival(topic=row.topic, payload=row.payload, received_ms=row.received_ms, device=device)
    if arrival.body is None:
        return False
    try:
        with connection.begin_nested():
            connection.execute(delete(rejected).where(rejected.c.key == row.key))
            commit(connection, [arrival])
    except (DataError, OverflowError, UnicodeError):  # the database does not take it: it stays where it is
        return False
    return True


def purge(engine: Engine, bar: Bar = unseen) -> int:
    """Clear the payloads and keep ids and reasons, so that what comes again is still known; how many.

    In pieces, between which a collector writes. DatabaseError if the log cannot be written; what is cleared stays so.
    """
    cleared = last = 0
    with bar("messages", _kept(engine)) as advance:
        while True:
            with writing(engine) as connection:
                keys = connection.execute(_next(select(rejected.c.key), last)).scalars().all()
                connection.execute(update(rejected).where(rejected.c.key.in_(keys)).values(payload=None))
            if not keys:
                return cleared
            last = keys[-1]
            cleared += len(keys)
            advance(len(keys))


def _kept(engine: Engine) -> int:
    """How many messages have their payloads."""
    with reading(engine) as connection:
        wanted = select(func.count()).select_from(rejected).where(rejected.c.payload.is_not(None))
        return connection.execute(wanted).scalar_one()


def _next(wanted: Select[Any], last: int) -> Select[Any]:
    """The next of them."""
    return wanted.where(rejected.c.key > last, rejected.c.payload.is_not(None)).order_by(rejected.c.key).limit(PIECE)

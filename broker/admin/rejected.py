"""Messages that could not be stored: list them, try them again, delete their payloads."""

import time
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, func, select, update
from sqlalchemy.exc import DataError

from mien.broker.database.engine import read_transaction, write_transaction
from mien.broker.database.schema import device, rejected
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import commit
from mien.progress import ProgressReporter, no_progress

BATCH_SIZE = 500


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """How many messages were stored, and how many were not."""

    stored: int
    still_rejected: int


def list_rejected(engine: Engine, *, limit: int) -> list[dict[str, Any]]:
    """The newest, at most `limit`, oldest first: number, received, topic, reason, payload (None if not kept)."""
    query = select(rejected).order_by(rejected.c.key.desc()).limit(limit)
    with read_transaction(engine) as connection:
        rows = connection.execute(query).all()
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


def replay_rejected(engine: Engine, *, now_ms: int, progress: ProgressReporter = no_progress) -> ReplayResult:
    """Decode every stored payload again, by this release's rules, and store those that are now valid.

    Whether a time is plausible is judged by `now_ms`, milliseconds since 1970: the clock of the server may have been
    wrong when the message arrived. What was erased is not stored, and its payload is deleted.

    A message moves from `rejected` to the log in one transaction: it is never in both, or in neither. DatabaseError if
    the log cannot be written; what was moved before remains moved.
    """
    stored = still_rejected = last_key = 0
    query = select(rejected, device.c.name.label("device_name"))
    query = query.outerjoin(device, device.c.key == rejected.c.device)
    with progress("messages", _count_payloads(engine)) as advance:
        while True:
            with write_transaction(engine) as connection:
                rows = connection.execute(_next_batch(query, last_key)).all()
                moved = sum(_move_to_log(connection, row, now_ms) for row in rows)
            if not rows:
                return ReplayResult(stored, still_rejected)
            last_key = rows[-1].key
            stored += moved
            still_rejected += len(rows) - moved
            advance(len(rows))


def _move_to_log(connection: Connection, row: Row[Any], now_ms: int) -> bool:
    """Whether a message was valid and has been moved."""
    message = decode_message(topic=row.topic, payload=row.payload, received_ms=now_ms, device=row.device_name or "")
    if message.body is None:
        return False
    try:
        with connection.begin_nested() as attempt:
            connection.execute(delete(rejected).where(rejected.c.key == row.key))
            outcome = commit(connection, [replace(message, received_ms=row.received_ms)])
            if not outcome.stored and not outcome.rejected["erased"]:
                attempt.rollback()  # its id is another device's: it remains as it was
    except (DataError, OverflowError, UnicodeError):  # the database does not accept it: it remains rejected
        return False
    return outcome.stored == 1


def purge_rejected(engine: Engine, progress: ProgressReporter = no_progress) -> int:
    """Delete the payloads but keep ids and reasons, so that duplicates are still recognized; how many were deleted.

    In batches, between which a collector can write. DatabaseError if the log cannot be written; what was deleted before
    remains deleted.
    """
    purged = last_key = 0
    with progress("messages", _count_payloads(engine)) as advance:
        while True:
            with write_transaction(engine) as connection:
                keys = connection.execute(_next_batch(select(rejected.c.key), last_key)).scalars().all()
                connection.execute(update(rejected).where(rejected.c.key.in_(keys)).values(payload=None))
            if not keys:
                return purged
            last_key = keys[-1]
            purged += len(keys)
            advance(len(keys))


def _count_payloads(engine: Engine) -> int:
    """How many messages have not been purged."""
    with read_transaction(engine) as connection:
        query = select(func.count()).select_from(rejected).where(rejected.c.payload.is_not(None))
        return connection.execute(query).scalar_one()


def _next_batch(query: Select[Any], last_key: int) -> Select[Any]:
    """The next messages with a payload."""
    has_payload = rejected.c.payload.is_not(None)
    return query.where(rejected.c.key > last_key, has_payload).order_by(rejected.c.key).limit(BATCH_SIZE)

"""The rows of an outbox file, and the totals and numbers that are kept with them, within a caller's transaction."""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from mien.messages.codec import MessageDecoder

from .clock import Timestamp


def insert_row(
    database: sqlite3.Connection,
    seq: int,
    payload: bytes,
    timestamp: Timestamp,
    *,
    is_final: bool,
    dropped_range: tuple[int, int] | None = None,
) -> None:
    """Insert an observation, or a declared loss with the range that it covers."""
    database.execute(
        "INSERT INTO message (seq, payload, is_final, boot_id, uptime_ms, dropped_first, dropped_last) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (seq, payload, int(is_final), timestamp.boot_id, timestamp.uptime_ms, *(dropped_range or (None, None))),
    )
    add_to_totals(database, 1, len(payload))


def delete_rows(database: sqlite3.Connection, sequences: Iterable[int]) -> int:
    """Delete those of the rows that exist, and return how many there were."""
    deleted = database.execute(
        "DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?)) RETURNING length(payload)",
        (to_json_list(sequences),),
    ).fetchall()
    if deleted:
        add_to_totals(database, -len(deleted), -sum(length for (length,) in deleted))
    return len(deleted)


def add_to_totals(database: sqlite3.Connection, rows: int, payload_bytes: int) -> None:
    """Update the totals in the same transaction: summing them up for each observation would read the whole file."""
    database.execute(
        "UPDATE outbox SET row_count = row_count + ?, payload_bytes = payload_bytes + ?", (rows, payload_bytes)
    )


def take_next_seq(database: sqlite3.Connection) -> int:
    """A number for a new row, which no other row has had or will have."""
    (seq,) = database.execute("UPDATE outbox SET next_seq = next_seq + 1 RETURNING next_seq - 1").fetchone()
    return int(seq)


def iterate_rows(database: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query that ends in `seq > ? ORDER BY seq LIMIT 1000`, with `seq` as its first column.

    The caller may update them meanwhile. Never more than the thousand rows are in memory: a small machine's may be too
    little for a large outbox.
    """
    seq = 0
    while rows := database.execute(query, (seq,)).fetchall():
        yield from rows
        seq = rows[-1][0]


def count_waiting_rows(database: sqlite3.Connection) -> int:
    """The number of rows not yet acknowledged."""
    (count,) = database.execute("SELECT count(*) FROM message WHERE reject_reason IS NULL").fetchone()
    return int(count)


def to_json_list(sequences: Iterable[int]) -> str:
    """Numbers for SQLite's json_each: a statement may have only so many parameters of its own."""
    return msgspec.json.encode(list(sequences)).decode()


_json_decoder = MessageDecoder(dict[str, Any])


def replace_fields(payload: bytes, **fields: str | int | datetime) -> bytes:
    """The message with changed fields; unknown fields are kept. msgspec.DecodeError if it is not a JSON object."""
    return msgspec.json.encode(_json_decoder.decode(payload) | fields)

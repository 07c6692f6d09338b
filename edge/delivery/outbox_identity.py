"""Whose outbox a file is: one device's on one machine. On another machine or under another name it is a new outbox."""

import logging
import sqlite3
import uuid
from contextlib import suppress
from uuid import UUID

import msgspec

from .outbox_rows import add_to_totals, iterate_rows, replace_fields

WAITING = "SELECT seq, payload FROM message WHERE reject_reason IS NULL AND seq > ? ORDER BY seq LIMIT 1000"
NOT_RENUMBERED = (
    "SELECT seq, payload FROM message WHERE reject_reason IS NULL AND seq > ? AND seq < (SELECT first_seq FROM outbox) "
    "ORDER BY seq LIMIT 1000"
)

log = logging.getLogger(__name__)


def identify_outbox(database: sqlite3.Connection, *, device: str, machine_id: str) -> UUID:
    """The id of the outbox in an opened file, within the caller's transaction: a new one if the file is new, comes from
    another machine, or was another device's.

    Rows that wait in such a file continue under the new id, and under the device's name. A collector can account for
    the numbers that the same device used on another machine (`previous_id`), but not for those of another device. So
    after a rename the rows get new numbers, without the holes that acknowledged rows have left among the old ones.
    """
    row = database.execute("SELECT id, machine_id, device FROM outbox").fetchone()
    if row is None:
        database.execute(
            "INSERT INTO outbox (singleton, id, machine_id, first_seq, next_seq, row_count, payload_bytes, device) "
            "VALUES (1, ?, ?, 1, 1, 0, 0, ?)",
            (str(identifier := uuid.uuid4()), machine_id, device),
        )
        return identifier
    previous_id, previous_machine_id, previous_device = row
    is_same_device = previous_device in (device, "")
    if is_same_device and previous_machine_id == machine_id:
        database.execute("UPDATE outbox SET device = ? WHERE device != ?", (device, device))
        return UUID(previous_id)
    identifier = uuid.uuid4()
    database.execute(
        "UPDATE outbox SET id = ?, machine_id = ?, device = ?, previous_id = ?",
        (str(identifier), machine_id, device, previous_id if is_same_device else None),
    )
    if is_same_device:
        database.execute(
            "UPDATE outbox SET first_seq = ifnull((SELECT min(seq) FROM message WHERE reject_reason IS NULL), next_seq)"
        )
    else:
        database.execute("UPDATE outbox SET first_seq = next_seq")
    rows = _relabel_rows(database, device, identifier, is_renumbering=not is_same_device)
    was = "on another machine" if is_same_device else f"the outbox of {previous_device}"
    log.warning("the outbox was %s: its %d waiting observations continue in a new one of %s", was, rows, device)
    return identifier


def _relabel_rows(database: sqlite3.Connection, device: str, identifier: UUID, *, is_renumbering: bool) -> int:
    """Put the waiting rows under another id and name, and return how many there are.

    A declared loss that gets a new number is final: it covers old numbers, and no new ones are to be added to them.
    """
    (next_seq,) = database.execute("SELECT next_seq FROM outbox").fetchone()
    rows = added_bytes = 0
    for seq, payload in iterate_rows(database, NOT_RENUMBERED if is_renumbering else WAITING):
        new_seq, new_payload = next_seq + rows if is_renumbering else seq, payload
        with suppress(msgspec.DecodeError):  # the publisher rejects a damaged row and reports it
            new_payload = replace_fields(payload, device=device, outbox=str(identifier), seq=new_seq)
        database.execute(
            "UPDATE message SET seq = ?, payload = ?, is_final = is_final OR (? AND dropped_last IS NOT NULL) "
            "WHERE seq = ?",
            (new_seq, new_payload, is_renumbering, seq),
        )
        rows, added_bytes = rows + 1, added_bytes + len(new_payload) - len(payload)
    if is_renumbering:
        database.execute("UPDATE outbox SET next_seq = next_seq + ?", (rows,))
    add_to_totals(database, 0, added_bytes)
    return rows

"""Writes incoming messages into the emotion log, each exactly once, and reports which were stored or rejected."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import DataError, DBAPIError, StatementError

from mien.broker.database import schema
from mien.broker.database.bulk_sql import insert_rows, select_by_id
from mien.broker.database.columns import COLUMNS
from mien.broker.database.encoding import to_epoch_ms
from mien.broker.database.engine import first_line, read_transaction, write_transaction
from mien.broker.database.gaps import count_gaps
from mien.broker.database.lookup import lookup_keys
from mien.errors import DatabaseError
from mien.messages.dropped import Dropped
from mien.messages.observation import Observation
from mien.sequence_ranges import SequenceRange

from . import acked_ranges, retention, rollup
from .device_state import DeviceStates, save_device_states
from .message import IncomingMessage, RejectReason, to_printable
from .outbox_counters import save_outbox_counters

MAX_REJECTED_BYTES = 65_536
"""Stored of a rejected message's payload; a valid one has about 700."""
STORED_COLUMNS = tuple(column.stored_as for column in COLUMNS)


@dataclass(slots=True)
class Outcome:
    """Which messages of a batch were stored and which rejected."""

    decisions: dict[UUID, str | None] = field(default_factory=dict)
    """For each id None if it is in the log, else the reason why it never will be."""
    stored: int = 0
    """New observations and declared losses."""
    duplicates: int = 0
    """Messages that an earlier commit had stored or rejected, or that were in the batch twice."""
    rejected: Counter[RejectReason] = field(default_factory=Counter)
    """New messages that can never be stored."""


class Store:
    """The emotion log's only writer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, messages: Sequence[IncomingMessage]) -> Outcome:
        """Commit a batch in one transaction.

        An id is stored or rejected, never both and never twice: the first commit decides, and each duplicate gets the
        same decision. DatabaseError if nothing was committed; retrying is safe, even if the commit succeeded and only
        the database's confirmation was lost.
        """
        try:
            with self._engine.begin() as connection:
                return commit(connection, messages)
        except DBAPIError as error:
            if not isinstance(error, DataError):
                raise DatabaseError(f"the emotion log cannot be written: {first_line(error)}") from error
            return self._record_one_by_one(messages, error)
        except (StatementError, OverflowError, UnicodeError) as error:  # from SQLAlchemy, and from sqlite3 itself
            return self._record_one_by_one(messages, error)

    def save_device_states(self, states: DeviceStates) -> None:
        """Store the last message of each device on each retained topic. DatabaseError if nothing was stored."""
        with write_transaction(self._engine) as connection:
            save_device_states(connection, states)
            save_outbox_counters(connection, states)

    def count_gaps(self) -> dict[str, int]:
        """How many numbers of each device's outboxes are missing. DatabaseError if the log cannot be read."""
        with read_transaction(self._engine) as connection:
            return count_gaps(connection)

    def delete_before(self, before_ms: int, after_key: int) -> int | None:
        """Delete a batch of old rows; see `retention.delete_before`. DatabaseError if nothing was deleted."""
        with write_transaction(self._engine) as connection:
            return retention.delete_before(connection, before_ms, after_key)

    def _record_one_by_one(self, messages: Sequence[IncomingMessage], error: Exception) -> Outcome:
        """Find the message that the database does not accept, and reject it: it must not block the others."""
        if len(messages) == 1:
            (message,) = messages
            if message.body is None:
                raise DatabaseError(f"a rejected message cannot be stored: {first_line(error)}") from error
            reason_text = to_printable(f"the database does not accept it: {first_line(error)}")
            return self.record([replace(message, body=None, reject_reason="database", reason_text=reason_text)])
        total = Outcome()
        for message in messages:
            outcome = self.record([message])
            total.decisions |= outcome.decisions
            total.stored += outcome.stored
            total.duplicates += outcome.duplicates
            total.rejected += outcome.rejected
        return total


def commit(connection: Connection, messages: Sequence[IncomingMessage]) -> Outcome:
    """Write a batch in the caller's transaction."""
    by_id: dict[UUID, IncomingMessage] = {}
    without_id: dict[bytes, IncomingMessage] = {}
    for message in messages:
        if message.id is not None:
            by_id.setdefault(message.id, message)
        else:
            without_id.setdefault(message.sha256, message)
    decisions = find_decisions(connection, by_id)
    new = [message for message_id, message in sorted(by_id.items()) if message_id not in decisions]
    observations = [(message.body, message.received_ms) for message in new if isinstance(message.body, Observation)]
    losses = [(message.body, message.received_ms) for message in new if isinstance(message.body, Dropped)]
    invalid = [message for message in new if message.body is None]
    invalid += _without_known_hashes(connection, without_id)
    outbox_ids = {message.envelope.outbox.bytes for message in messages if message.envelope}
    outboxes = lookup_keys(connection, schema.outbox, outbox_ids)
    devices = lookup_keys(connection, schema.device, {body.device for body, _ in [*observations, *losses]})
    if observations:
        rows = _observation_rows(connection, observations, {"device": devices, "outbox": outboxes})
        insert_rows(connection, schema.observation, STORED_COLUMNS, rows)
        rollup.add(connection, [(devices[observation.device], observation) for observation, _ in observations])
    if losses:
        connection.execute(insert(schema.dropped), [_dropped_row(*loss, devices, outboxes) for loss in losses])
    if invalid:
        connection.execute(insert(schema.rejected), [_rejected_row(message) for message in invalid])
    decisions |= {message.id: None if message.body else message.reason_text for message in new if message.id}
    _record_acked_ranges(connection, messages, outboxes, [loss for loss, _ in losses])
    stored = len(observations) + len(losses)
    return Outcome(
        decisions,
        stored=stored,
        duplicates=len(messages) - stored - len(invalid),
        rejected=Counter(message.reject_reason for message in invalid if message.reject_reason),
    )


def find_decisions(connection: Connection, by_id: dict[UUID, IncomingMessage]) -> dict[UUID, str | None]:
    """What earlier commits decided: for each known id None if it is in the log, else why it never will be."""
    ids = [message_id.bytes for message_id in by_id]
    decisions: dict[UUID, str | None] = {}
    for table in (schema.observation, schema.dropped):
        for (message_id,) in select_by_id(connection, table, "id", ids):
            decisions[UUID(bytes=message_id)] = None
    for message_id, reason_text in select_by_id(connection, schema.rejected, "id, reason", ids):
        decisions[UUID(bytes=message_id)] = reason_text
    return decisions


def _without_known_hashes(connection: Connection, without_id: dict[bytes, IncomingMessage]) -> list[IncomingMessage]:
    """The messages without an id that have not been rejected before."""
    if not without_id:
        return []
    rejected = schema.rejected
    query = select(rejected.c.sha256).where(rejected.c.sha256.in_(list(without_id)), rejected.c.id.is_(None))
    known = set(connection.scalars(query))
    return [message for sha256, message in without_id.items() if sha256 not in known]


def _record_acked_ranges(
    connection: Connection,
    messages: Sequence[IncomingMessage],
    outboxes: dict[bytes, int],
    losses: Sequence[Dropped],
) -> None:
    received: dict[int, set[int]] = defaultdict(set)
    for message in messages:
        if message.envelope:
            received[outboxes[message.envelope.outbox.bytes]].add(message.envelope.seq)
    lost: dict[int, list[SequenceRange]] = defaultdict(list)
    for loss in losses:
        lost[outboxes[loss.outbox.bytes]].append((loss.first, loss.last))
    acked_ranges.record(connection, received, lost)


def _observation_rows(
    connection: Connection, observations: list[tuple[Observation, int]], known_keys: dict[str, dict[Any, int]]
) -> list[tuple[Any, ...]]:
    """Rows in the order of STORED_COLUMNS; `known_keys` are the keys of the lookup tables that were already read."""
    bodies = [observation for observation, _ in observations]
    columns: list[Sequence[Any]] = []
    for column in COLUMNS:
        if column.source is None:
            columns.append([received_ms for _, received_ms in observations])
            continue
        values = column.encode(bodies)
        if column.is_lookup:
            table = schema.lookup_tables[column.name]
            keys = known_keys.get(column.name) or lookup_keys(connection, table, set(values))
            values = [keys[value] for value in values]
        columns.append(values)
    return list(zip(*columns, strict=True))


def _dropped_row(
    loss: Dropped, received_ms: int, devices: dict[str, int], outboxes: dict[bytes, int]
) -> dict[str, Any]:
    return {
        "id": loss.id.bytes,
        "device": devices[loss.device],
        "outbox": outboxes[loss.outbox.bytes],
        "seq": loss.seq,
        "first": loss.first,
        "last": loss.last,
        "cause": loss.cause,
        "at_ms": to_epoch_ms(loss.at),
        "received_ms": received_ms,
    }


def _rejected_row(message: IncomingMessage) -> dict[str, Any]:
    return {
        "id": message.id.bytes if message.id else None,
        "sha256": message.sha256,
        "topic": message.topic,
        "reason": message.reason_text,
        "received_ms": message.received_ms,
        "payload": message.payload[:MAX_REJECTED_BYTES],
    }

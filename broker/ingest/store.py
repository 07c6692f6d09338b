"""Writes incoming messages into the emotion log, each exactly once, and reports which were stored or rejected."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from mien.broker.database import schema
from mien.broker.database.bulk_sql import insert_rows, lookup_keys
from mien.broker.database.columns import COLUMNS
from mien.broker.database.encoding import to_epoch_ms
from mien.broker.database.engine import find_hint, first_line, read_transaction, write_transaction
from mien.broker.database.gaps import count_gaps
from mien.broker.database.writer_locks import lock_devices, side_by_side, unlocked
from mien.broker.intake.collector_tables import save_collector_state, save_discarded
from mien.broker.timekeeping.belief_table import load_belief, save_belief
from mien.broker.timekeeping.server_clock import TimeBelief
from mien.device_name import is_device_name
from mien.errors import DatabaseError
from mien.messages.dropped import Dropped
from mien.messages.observation import Observation
from mien.messages.status import CollectorStatus
from mien.mqtt.log_interval import LogInterval
from mien.sequence_ranges import SequenceRange

from . import acked_ranges, rollup
from .decisions import find_decisions, find_rejected, insert_rejected
from .device_state import DeviceStates, save_device_states
from .erasures import find_uncleared, mark_cleared, reject_erased
from .message import IncomingMessage, MessageKey, RejectReason, to_printable
from .outbox_counters import save_outbox_counters
from .retention import START, Deletion, Position, delete_before, is_side_by_side

STORED_COLUMNS = tuple(column.stored_as for column in COLUMNS)


@dataclass(slots=True)
class Outcome:
    """Which messages of a batch were stored and which rejected."""

    decisions: dict[MessageKey, str | None] = field(default_factory=dict)
    """For each message with an id None if it is in the log, else the reason why it never will be."""
    stored: int = 0
    """New observations and declared losses."""
    duplicates: int = 0
    """Messages that an earlier commit had stored or rejected, or that were in the batch twice."""
    rejected: Counter[RejectReason] = field(default_factory=Counter)
    """New messages that can never be stored."""
    deferred: Sequence[IncomingMessage] = ()
    """Not committed, because another collector was writing to their devices: record them again."""


class Store:
    """The emotion log's only writer, but on PostgreSQL one of several that write to different devices side by side."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._side_by_side = side_by_side(engine)
        self._unlocked = unlocked(engine)
        self._log_interval = LogInterval()

    def record(self, messages: Sequence[IncomingMessage], *, urgent: Collection[str] | None = None) -> Outcome:
        """Commit a batch in one transaction. It waits for the devices that are urgent, by default for all.

        An id of a device is stored or rejected, never both and never twice: the first commit decides, and each
        duplicate gets the same decision. No other device can use an id that is in the log. DatabaseError if nothing was
        committed; retrying is safe, even if the commit succeeded and only the database's confirmation was lost.
        """
        try:
            return self._commit(messages, urgent)
        except DBAPIError as error:
            if not isinstance(error, DataError):
                raise DatabaseError(
                    f"the emotion log cannot be written ({first_line(error)}): {find_hint(error)}"
                ) from error
            return self._record_one_by_one(messages, error)
        except (StatementError, OverflowError, UnicodeError) as error:  # from SQLAlchemy, and from sqlite3 itself
            return self._record_one_by_one(messages, error)

    def save_device_states(self, states: DeviceStates, *, is_urgent: bool = True) -> DeviceStates:
        """Store the last message of each device on each retained topic. DatabaseError if nothing was stored.

        Returns those that were not stored because another collector was writing to their devices: none if it is urgent.
        """
        devices = {device for device, _ in states}
        with write_transaction(self._side_by_side) as connection:
            locked = lock_devices(connection, devices, urgent=None if is_urgent else ())
            stored = {key: state for key, state in states.items() if key[0] in locked}
            save_device_states(connection, stored)
            save_outbox_counters(connection, stored, self._log_interval)
        return {key: state for key, state in states.items() if key not in stored}

    def save_collector_state(self, name: str, status: CollectorStatus, now_ms: int) -> None:
        """Store a collector's state in place of the one before. DatabaseError if it was not stored."""
        with write_transaction(self._engine) as connection:
            save_collector_state(connection, name, status, now_ms)

    def save_discarded(self, discarded: Counter[str], now_ms: int) -> None:
        """Add to the numbers of rows discarded, by device. DatabaseError if nothing was added."""
        with write_transaction(self._engine) as connection:
            save_discarded(connection, discarded, now_ms)

    def load_belief(self) -> TimeBelief | None:
        """What is known of the time from this log; None if it is empty. DatabaseError if the log cannot be read."""
        with read_transaction(self._unlocked) as connection:
            return load_belief(connection)

    def save_belief(self, belief: TimeBelief) -> None:
        """Keep a belief for the next collector. DatabaseError if it was not stored."""
        with write_transaction(self._engine) as connection:
            save_belief(connection, belief)

    def count_gaps(self) -> dict[str, int]:
        """How many numbers of each device's outboxes are missing. DatabaseError if the log cannot be read."""
        with read_transaction(self._unlocked) as connection:
            return count_gaps(connection)

    def delete_before(
        self, before_ms: int, position: Position = START, *, rollup_before_ms: int | None = None
    ) -> Deletion:
        """Delete a batch of old rows; see `retention.delete_before`. DatabaseError if nothing was deleted."""
        with write_transaction(self._side_by_side if is_side_by_side(position) else self._engine) as connection:
            return delete_before(connection, before_ms, position, rollup_before_ms=rollup_before_ms)

    def find_uncleared(self) -> set[str]:
        """The erased devices whose retained messages are to be cleared. DatabaseError if the log cannot be read."""
        with read_transaction(self._unlocked) as connection:
            return find_uncleared(connection)

    def mark_cleared(self, device: str, cleared_ms: Mapping[str, int]) -> None:
        """Record that retained messages are cleared; see `erasures.mark_cleared`. DatabaseError if it is not."""
        with write_transaction(self._engine) as connection:
            mark_cleared(connection, device, cleared_ms)

    def _commit(self, messages: Sequence[IncomingMessage], urgent: Collection[str] | None) -> Outcome:
        devices = {message.device for message in messages}
        try:
            with self._side_by_side.begin() as connection:
                locked = lock_devices(connection, devices, urgent=urgent)
                outcome = commit(connection, [message for message in messages if message.device in locked])
            outcome.deferred = [message for message in messages if message.device not in locked]
            return outcome
        except IntegrityError:  # another device has just used one of these ids
            with self._engine.begin() as connection:
                return commit(connection, messages)

    def _record_one_by_one(self, messages: Sequence[IncomingMessage], error: Exception) -> Outcome:
        """Find the message that the database does not accept, and reject it: it must not block the others."""
        if len(messages) == 1:
            (message,) = messages
            if message.body is None:
                raise DatabaseError(
                    f"a rejected message cannot be stored ({first_line(error)}): {find_hint(error)}"
                ) from error
            return self.record([_reject(message, "database", f"the database does not accept it: {first_line(error)}")])
        total = Outcome()
        for message in messages:
            outcome = self.record([message])
            total.decisions |= outcome.decisions
            total.stored += outcome.stored
            total.duplicates += outcome.duplicates
            total.rejected += outcome.rejected
        return total


def commit(connection: Connection, messages: Sequence[IncomingMessage]) -> Outcome:
    """Write a batch in the caller's transaction, which is alone or has locked the messages' devices."""
    by_key: dict[MessageKey, IncomingMessage] = {}
    without_id: dict[bytes, IncomingMessage] = {}
    for message in messages:
        if (key := message.key) is not None:
            by_key.setdefault(key, message)
        else:
            without_id.setdefault(message.identity, message)
    devices = lookup_keys(connection, schema.device, set(filter(is_device_name, {m.device for m in messages})))
    outbox_ids = {message.envelope.outbox.bytes for message in messages if message.envelope and message.is_numbered}
    outboxes = lookup_keys(connection, schema.outbox, outbox_ids)
    decisions, owners = find_decisions(connection, by_key, devices)
    new = reject_erased(connection, [message for key, message in by_key.items() if key not in decisions])
    new = _without_taken_ids(new, owners, devices)
    observations = [(message.body, message.received_ms) for message in new if isinstance(message.body, Observation)]
    losses = [(message.body, message.received_ms) for message in new if isinstance(message.body, Dropped)]
    known = find_rejected(connection, without_id.keys())
    rejected = [message for message in new if message.body is None]
    rejected += reject_erased(connection, [message for key, message in without_id.items() if key not in known])
    if observations:
        rows = _observation_rows(connection, observations, {"device": devices, "outbox": outboxes})
        insert_rows(connection, schema.observation, STORED_COLUMNS, rows)
        rollup.add(connection, [(devices[observation.device], observation) for observation, _ in observations])
    if losses:
        connection.execute(insert(schema.dropped), [_dropped_row(*loss, devices, outboxes) for loss in losses])
    if rejected:
        insert_rejected(connection, rejected, devices, outboxes)
    decisions |= {message.key: None if message.body else message.reason_text for message in new if message.key}
    _record_acked_ranges(connection, messages, devices, outboxes, [loss for loss, _ in losses])
    stored = len(observations) + len(losses)
    return Outcome(
        decisions,
        stored=stored,
        duplicates=len(messages) - stored - len(rejected),
        rejected=Counter(message.reject_reason for message in rejected if message.reject_reason),
    )


def _without_taken_ids(
    messages: list[IncomingMessage], owners: dict[UUID, int], devices: dict[str, int]
) -> list[IncomingMessage]:
    """The messages in the order of their ids, those rejected whose id is in the log from another device.

    Of several devices that use the same new id the first gets it.
    """
    new: list[IncomingMessage] = []
    for message in messages:
        is_taken = False
        if message.body is not None:
            device = devices[message.device]
            is_taken = owners.setdefault(message.body.id, device) != device
        new.append(_reject(message, "id", "its id is known from another device") if is_taken else message)
    return sorted(new, key=lambda message: message.envelope.id.int if message.envelope else 0)


def _reject(message: IncomingMessage, reason: RejectReason, text: str) -> IncomingMessage:
    """The same message as one that can never be stored."""
    return replace(message, body=None, reject_reason=reason, reason_text=to_printable(text))


def _record_acked_ranges(
    connection: Connection,
    messages: Sequence[IncomingMessage],
    devices: dict[str, int],
    outboxes: dict[bytes, int],
    losses: Sequence[Dropped],
) -> None:
    received: dict[tuple[int, int], set[int]] = defaultdict(set)
    for message in messages:
        if message.envelope and message.is_numbered:
            received[devices[message.device], outboxes[message.envelope.outbox.bytes]].add(message.envelope.seq)
    lost: dict[tuple[int, int], list[SequenceRange]] = defaultdict(list)
    for loss in losses:
        lost[devices[loss.device], outboxes[loss.outbox.bytes]].append((loss.first, loss.last))
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

"""Imports the output of `mien query --format ndjson`, each observation once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Engine, select

from mien.broker.database import schema
from mien.broker.database.bulk_sql import select_with_values
from mien.broker.database.columns import to_message_fields
from mien.broker.database.encoding import to_epoch_ms
from mien.broker.database.engine import write_transaction
from mien.broker.database.lookup import lookup_keys
from mien.broker.ingest import rollup
from mien.broker.ingest.decisions import find_decisions
from mien.broker.ingest.message import IncomingMessage
from mien.broker.ingest.store import commit
from mien.errors import DataError
from mien.messages.observation import Observation

BATCH_SIZE = 500
ACKNOWLEDGED = """
WITH line (device, outbox, seq) AS ({values})
SELECT DISTINCT line.device, line.outbox, line.seq FROM line JOIN acked_range
ON acked_range.device = line.device AND acked_range.outbox = line.outbox AND acked_range.received = 1
AND acked_range.first <= line.seq AND acked_range.last >= line.seq
"""


class ReceivedTime(msgspec.Struct, frozen=True):
    """The column that is not in the message: the collector adds it."""

    received: datetime


@dataclass(slots=True)
class ImportResult:
    """How many of a file's observations were stored, and how many were not."""

    stored: int = 0
    known: int = 0
    """Already in the log, or already rejected, or of an id that the log has from another device."""
    erased: int = 0
    """Of a device and a time that were erased from the log."""


def import_lines(engine: Engine, lines: Iterable[bytes], name: str, advance: Callable[[int], None]) -> ImportResult:
    """Store the observations that the log does not have; `advance` is called with the number of bytes processed.

    Observations whose rows retention deleted are still in the counts, and are not counted again. DataError names the
    first line that is not an observation; the lines before it are stored. DatabaseError if the log cannot be written.
    """
    result = ImportResult()
    numbered = enumerate(lines, 1)
    while batch := list(islice(numbered, BATCH_SIZE)):
        messages, error = _decode_lines(batch, name)
        if messages:
            with write_transaction(engine) as connection:
                stored, erased = _commit(connection, messages)
            result.stored += stored
            result.erased += erased
            result.known += len(messages) - stored - erased
        if error:
            raise error
        advance(sum(len(line) for _, line in batch))
    return result


def _decode_lines(batch: list[tuple[int, bytes]], name: str) -> tuple[list[IncomingMessage], DataError | None]:
    messages: list[IncomingMessage] = []
    for number, line in batch:
        try:
            if line.strip():
                messages.append(_decode_line(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            hint = "fix or delete that line and import again; the lines before it are stored"
            return messages, DataError(f"{name}, line {number}: {error}: {hint}")
    return messages, None


def _decode_line(line: bytes) -> IncomingMessage:
    """msgspec.DecodeError if the line is not an observation in the format of `mien query`."""
    row = msgspec.json.decode(line, type=dict)
    observation = msgspec.convert(to_message_fields(row), Observation)
    received_ms = to_epoch_ms(msgspec.convert(row, ReceivedTime).received)
    return IncomingMessage(
        topic="import",
        payload=line,
        received_ms=received_ms,
        device=observation.device,
        envelope=observation,
        body=observation,
    )


def _commit(connection: Connection, messages: list[IncomingMessage]) -> tuple[int, int]:
    """Commit a batch; how many observations were new, and how many were not stored because they had been erased."""
    by_id: dict[UUID, IncomingMessage] = {}
    for message in messages:
        if message.id is not None:
            by_id.setdefault(message.id, message)
    by_key = {message.key: message for message in by_id.values() if message.key}
    devices = lookup_keys(connection, schema.device, {message.device for message in messages})
    decisions, owners = find_decisions(connection, by_key, devices)
    new = [message for key, message in by_key.items() if key not in decisions and message.id not in owners]
    restored = _select_restored(connection, [message.body for message in new if isinstance(message.body, Observation)])
    outcome = commit(connection, new)
    restored = [
        observation for observation in restored if outcome.decisions[observation.device, observation.id] is None
    ]
    rollup.subtract_restored(connection, [(devices[observation.device], observation) for observation in restored])
    return outcome.stored, outcome.rejected["erased"]


def _select_restored(connection: Connection, new: Sequence[Observation]) -> list[Observation]:
    """The observations that were in the log before: their numbers were acknowledged, or their outbox was forgotten.

    An outbox may have been forgotten if its device has reported another one but not this. If it is from another log
    instead, the rollup has no deleted rows for it to restore.
    """
    if not new:
        return []
    devices = lookup_keys(connection, schema.device, {observation.device for observation in new})
    outboxes = lookup_keys(connection, schema.outbox, {observation.outbox.bytes for observation in new})
    numbers = [
        (devices[observation.device], outboxes[observation.outbox.bytes], observation.seq) for observation in new
    ]
    acknowledged = set(select_with_values(connection, numbers, ACKNOWLEDGED))
    counter = schema.outbox_counter
    query = select(counter.c.device, counter.c.outbox).where(counter.c.device.in_(devices.values()))
    reported = {(row.device, row.outbox) for row in connection.execute(query)}
    reporting = {device for device, _ in reported}
    return [
        observation
        for observation, (device, outbox, seq) in zip(new, numbers, strict=True)
        if (device, outbox, seq) in acknowledged or (device in reporting and (device, outbox) not in reported)
    ]

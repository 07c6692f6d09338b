"""Imports the observations of an export, each once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, Engine, select

from mien.broker.database import schema
from mien.broker.database.bulk_sql import lookup_keys, select_with_values
from mien.broker.database.columns import to_message_fields
from mien.broker.database.encoding import to_epoch_ms
from mien.broker.database.engine import write_transaction
from mien.broker.ingest import rollup
from mien.broker.ingest.decisions import find_decisions
from mien.broker.ingest.message import IncomingMessage
from mien.broker.ingest.store import commit
from mien.errors import DataError
from mien.messages.observation import Observation, encode_observation

from .exported_rows import FIX_LINE, ExportedRow

BATCH_SIZE = 500
ACKNOWLEDGED = """
WITH line (device, outbox, seq) AS ({values})
SELECT DISTINCT line.device, line.outbox, line.seq FROM line JOIN acked_range
ON acked_range.device = line.device AND acked_range.outbox = line.outbox AND acked_range.received = 1
AND acked_range.first <= line.seq AND acked_range.last >= line.seq
"""


class ReceivedTime(msgspec.Struct, frozen=True):
    """The column that is not in the message: the collector adds it."""

    received: Annotated[datetime, Meta(tz=True)]


@dataclass(slots=True)
class ImportResult:
    """How many of a file's observations were stored, and how many were not."""

    stored: int = 0
    known: int = 0
    """Already in the log, or already rejected, or of an id that the log has from another device."""
    erased: int = 0
    """Of a device and a time that were erased from the log."""


def import_rows(engine: Engine, rows: Iterator[ExportedRow], name: str) -> ImportResult:
    """Store the observations that the log does not have.

    Observations whose rows retention deleted are still in the counts, and are not counted again. DataError as for
    `read_rows`, or if it names the first line that is not an observation; the lines before it are stored. DatabaseError
    if the log cannot be written.
    """
    result = ImportResult()
    error: DataError | None = None
    while error is None:
        messages, error = _decode_batch(rows, name)
        if messages:
            with write_transaction(engine) as connection:
                stored, erased = _commit(connection, messages)
            result.stored += stored
            result.erased += erased
            result.known += len(messages) - stored - erased
        elif error is None:
            return result
    raise error


def _decode_batch(rows: Iterator[ExportedRow], name: str) -> tuple[list[IncomingMessage], DataError | None]:
    """The next observations, none at the end, and the error that ended them early."""
    messages: list[IncomingMessage] = []
    try:
        for row in islice(rows, BATCH_SIZE):
            try:
                messages.append(_decode_row(row))
            except msgspec.ValidationError as error:
                raise DataError(f"{name}, line {row.line_number}: {error}: {FIX_LINE}") from error
    except DataError as error:
        return messages, error
    return messages, None


def _decode_row(row: ExportedRow) -> IncomingMessage:
    """msgspec.ValidationError if the row is not an observation."""
    observation = msgspec.convert(to_message_fields(row.fields), Observation, strict=not row.is_text)
    received_ms = to_epoch_ms(msgspec.convert(row.fields, ReceivedTime).received)
    return IncomingMessage(
        topic="import",
        payload=encode_observation(observation),
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

"""Imports the output of `mien query --format ndjson`, each observation once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import msgspec
from sqlalchemy import Connection, Engine

from mien.broker.database import schema
from mien.broker.database.bulk_sql import select_with_values
from mien.broker.database.columns import to_message_fields
from mien.broker.database.encoding import to_epoch_ms
from mien.broker.database.engine import write_transaction
from mien.broker.database.lookup import lookup_keys
from mien.broker.ingest import rollup
from mien.broker.ingest.message import IncomingMessage
from mien.broker.ingest.store import commit, find_decisions
from mien.errors import DataError
from mien.messages.observation import Observation

BATCH_SIZE = 500
ACKNOWLEDGED = """
WITH line (outbox, seq) AS ({values})
SELECT DISTINCT line.outbox, line.seq FROM line JOIN acked_range
ON acked_range.outbox = line.outbox AND acked_range.received = 1
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
    """Already in the log, or already rejected."""


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
                stored = _commit(connection, messages)
            result.stored += stored
            result.known += len(messages) - stored
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


def _commit(connection: Connection, messages: list[IncomingMessage]) -> int:
    """Commit a batch; how many observations were new."""
    by_id = {message.id: message for message in messages if message.id}
    decisions = find_decisions(connection, by_id)
    new = [message.body for message_id, message in by_id.items() if message_id not in decisions]
    restored = _select_acknowledged(connection, [body for body in new if isinstance(body, Observation)])
    stored = commit(connection, messages).stored
    devices = lookup_keys(connection, schema.device, {observation.device for observation in restored})
    rollup.subtract_restored(connection, [(devices[observation.device], observation) for observation in restored])
    return stored


def _select_acknowledged(connection: Connection, new: Sequence[Observation]) -> list[Observation]:
    """The observations whose numbers were acknowledged: they were in the log before."""
    if not new:
        return []
    outboxes = lookup_keys(connection, schema.outbox, {observation.outbox.bytes for observation in new})
    numbers = [(outboxes[observation.outbox.bytes], observation.seq) for observation in new]
    acknowledged = set(select_with_values(connection, numbers, ACKNOWLEDGED))
    return [observation for observation, number in zip(new, numbers, strict=True) if number in acknowledged]

"""Exports all that the log holds for a device, or for a span of its time (Art. 15 GDPR), while collectors write."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Engine, Row, Select, or_, select

from mien.broker.database import schema
from mien.broker.database.encoding import SCALE, to_datetime
from mien.broker.database.engine import read_transaction
from mien.broker.database.schema import QUARTER_HOUR_MS, rejected, rollup
from mien.broker.ingest.erasures import read_claim
from mien.broker.query.filters import Filter
from mien.broker.query.observations import read_pages
from mien.broker.query.resolved_filter import resolve_filter
from mien.emotions import EMOTIONS
from mien.version import VERSION

PAGE_ROWS = 1000
Record = dict[str, Any]
"""What kind of record it is, as `record`, and its fields; times are UTC."""


@dataclass(frozen=True, slots=True)
class _Subject:
    device: str
    key: int
    start_ms: int | None
    end_ms: int | None

    def includes(self, time_ms: int) -> bool:
        """Whether a time is in the span."""
        is_early = self.start_ms is not None and time_ms < self.start_ms
        return not is_early and (self.end_ms is None or time_ms < self.end_ms)


def export_subject(
    reader: Engine, device: str, *, start: datetime | None = None, end: datetime | None = None
) -> Iterator[Record]:
    """All records of a device from `start` to before `end`, in pages, so that memory does not grow with their number.

    The first, `export`, says what was asked for and when, the last, `end`, how many came between them: an export
    without it is incomplete. Between them: `observation`, with the columns of `mien query`; `count`, of the quarters of
    an hour that the span touches, also of observations that were deleted since; `rejected`, messages that could not be
    stored; `loss`, which the device declared; `state`, its last status, health and motion; `outbox`, how far it has
    counted; `erasure`, what was erased before. UsageError if the log has no such device; other errors as for
    `read_transaction`.
    """
    log_filter = Filter(devices=[device], start=start, end=end)
    with read_transaction(reader) as connection:
        (key,) = resolve_filter(connection, log_filter).devices
    subject = _Subject(device, key, log_filter.start_ms, log_filter.end_ms)
    span = {"from": start, "to": end}
    yield {"record": "export", "device": device, **span, "exported": datetime.now(UTC), "release": VERSION}
    count = 0
    pages = read_pages(reader, log_filter, zone=UTC)
    for records in (
        ({"record": "observation", **row} for page in pages for row in page.to_dicts()),
        _counts(reader, subject),
        _rejected(reader, subject),
        _losses(reader, subject),
        _states(reader, subject),
        _outboxes(reader, subject),
        _erasures(reader, subject),
    ):
        for record in records:
            count += 1
            yield record
    yield {"record": "end", "records": count}


def _counts(reader: Engine, subject: _Subject) -> Iterator[Record]:
    query = select(rollup).where(rollup.c.device == subject.key)
    for row in _read(reader, query, rollup.c.quarter_hour):
        cell = row._mapping
        start_ms = row.quarter_hour * QUARTER_HOUR_MS
        if subject.start_ms is not None and start_ms + QUARTER_HOUR_MS <= subject.start_ms:
            continue
        if subject.end_ms is not None and start_ms >= subject.end_ms:
            return
        for emotion in EMOTIONS:
            if cell[emotion]:
                yield {
                    "record": "count",
                    "at": to_datetime(start_ms, UTC),
                    "emotion": emotion,
                    "observations": cell[emotion],
                    "mean_confidence": round(cell[f"{emotion}_confidence"] / cell[emotion] / SCALE, 4),
                }


def _rejected(reader: Engine, subject: _Subject) -> Iterator[Record]:
    """Those from the device, and those that name it; in the span by the time in them, or by when they were received."""
    may_belong = or_(rejected.c.device == subject.key, rejected.c.payload.is_not(None))
    for row in _read(reader, select(rejected).where(may_belong), rejected.c.key):
        claim = read_claim(row.payload or b"")
        at_ms = row.received_ms if claim.at_ms is None else claim.at_ms
        if subject.includes(at_ms) and (row.device == subject.key or claim.device == subject.device):
            yield {
                "record": "rejected",
                "id": _to_uuid(row.id),
                "topic": row.topic,
                "reason": row.reason,
                "received": to_datetime(row.received_ms, UTC),
                "payload": None if row.payload is None else row.payload.decode("utf-8", "backslashreplace"),
            }


def _losses(reader: Engine, subject: _Subject) -> Iterator[Record]:
    table = schema.dropped
    query = select(table, schema.outbox.c.name.label("outbox_name")).where(table.c.device == subject.key)
    for row in _read(reader, query.join(schema.outbox, schema.outbox.c.key == table.c.outbox), table.c.key):
        if subject.includes(row.at_ms):
            yield {
                "record": "loss",
                "id": _to_uuid(row.id),
                "outbox": _to_uuid(row.outbox_name),
                "seq": row.seq,
                "first": row.first,
                "last": row.last,
                "cause": row.cause,
                "at": to_datetime(row.at_ms, UTC),
                "received": to_datetime(row.received_ms, UTC),
            }


def _states(reader: Engine, subject: _Subject) -> Iterator[Record]:
    table = schema.device_state
    for row in _read(reader, select(table).where(table.c.device == subject.key), table.c.topic):
        if subject.includes(row.received_ms):
            try:
                message = msgspec.json.decode(row.payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                message = row.payload.decode("utf-8", "backslashreplace")
            received = to_datetime(row.received_ms, UTC)
            yield {"record": "state", "topic": row.topic, "received": received, "message": message}


def _outboxes(reader: Engine, subject: _Subject) -> Iterator[Record]:
    table = schema.outbox_counter
    query = select(table, schema.outbox.c.name).where(table.c.device == subject.key)
    for row in _read(reader, query.join(schema.outbox, schema.outbox.c.key == table.c.outbox), table.c.outbox):
        if subject.includes(row.received_ms):
            yield {
                "record": "outbox",
                "outbox": _to_uuid(row.name),
                "first_seq": row.first_seq,
                "oldest_seq": row.oldest_seq,
                "next_seq": row.next_seq,
                "received": to_datetime(row.received_ms, UTC),
            }


def _erasures(reader: Engine, subject: _Subject) -> Iterator[Record]:
    table = schema.erasure
    for row in _read(reader, select(table).where(table.c.device == subject.key), table.c.key):
        yield {
            "record": "erasure",
            "from": to_datetime(row.start_ms, UTC),
            "to": to_datetime(row.end_ms, UTC),
            "erased": to_datetime(row.erased_ms, UTC),
            "is_whole_device": bool(row.is_whole_device),
        }


def _read(reader: Engine, query: Select[Any], position: ColumnElement[Any]) -> Iterator[Row[Any]]:
    """The rows of a query in the order of a column whose values differ, in a transaction for each page."""
    page = query.order_by(position).limit(PAGE_ROWS)
    after: list[ColumnElement[bool]] = []
    while True:
        with read_transaction(reader) as connection:
            rows = connection.execute(page.where(*after)).all()
        yield from rows
        if len(rows) < PAGE_ROWS:
            return
        after = [position > rows[-1]._mapping[position]]


def _to_uuid(stored: bytes | None) -> str | None:
    return None if stored is None else str(UUID(bytes=bytes(stored)))

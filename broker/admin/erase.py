"""Erases what the log holds for a device, or for a span of its time (Art. 17 GDPR), while collectors write."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, delete, func, insert, select, update

from mien.broker.database import schema
from mien.broker.database.encoding import to_epoch_ms
from mien.broker.database.engine import read_transaction, write_transaction
from mien.broker.database.schema import QUARTER_HOUR_MS, observation, outbox_counter, rejected
from mien.broker.database.sqlite import truncate_write_ahead_log
from mien.broker.ingest import rollup
from mien.broker.ingest.erasures import read_claim
from mien.broker.ingest.message import MAX_AHEAD_H
from mien.broker.query.filters import Filter
from mien.broker.query.resolved_filter import resolve_filter
from mien.errors import UsageError
from mien.messages.acknowledgement import ERASED
from mien.progress import ProgressReporter, no_progress

from .captures import delete_unused_captures

BATCH_SIZE = 1000
PAUSE_S = 0.05
"""Between two batches, about as long as one takes: collectors get their turn."""
OVERWRITE_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Between attempts, in each of which SQLite waits some seconds for other programs as well."""
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRequest:
    """What is to be erased."""

    device: str
    device_key: int
    start_ms: int
    """Start and end are whole quarters of an hour; the end is not included."""
    end_ms: int
    is_whole_device: bool
    observations: int
    """In the log when it was requested."""


@dataclass(slots=True, kw_only=True)
class ErasureReceipt:
    """What was erased: numbers of rows."""

    erased_ms: int
    observations: int = 0
    counts: int = 0
    """Observations that were still counted although their rows had been deleted before."""
    rejected: int = 0
    """Rejected messages whose payload or reason was deleted."""
    device_states: int = 0
    """The last status, health and motion."""
    captures: int = 0
    """Including those whose observations were deleted before."""
    is_overwritten: bool = False
    """Whether SQLite has overwritten the deleted rows and emptied its write-ahead log; PostgreSQL does that later.

    SQLite moves rows between pages as it stores and deletes others, and overwrites no copy that it leaves in the unused
    part of a page: only `vacuum_log` rewrites all pages.
    """


def plan_erasure(
    reader: Engine, device: str, *, start: datetime | None, end: datetime | None, now_ms: int
) -> ErasureRequest:
    """What would be erased: all, unless `start` or `end` limit it; rounded outwards to whole quarters of an hour.

    It ends now at the latest; all of a device ends with its newest observation, should its clock be ahead.

    UsageError if the log has no such device, or if nothing can be in the span; other errors as for `read_transaction`.
    """
    start_ms, end_ms = 0 if start is None else to_epoch_ms(start), now_ms if end is None else to_epoch_ms(end)
    end_ms = min(end_ms, now_ms)
    if start_ms >= end_ms:
        raise UsageError("there is nothing to erase in that span: --from must be before --to, and in the past")
    with read_transaction(reader) as connection:
        (key,) = resolve_filter(connection, Filter(devices=[device])).devices
        if start is None and end is None:
            end_ms = max(end_ms, _newest_ms(connection, key, now_ms) + 1)
        request = ErasureRequest(
            device=device,
            device_key=key,
            start_ms=start_ms // QUARTER_HOUR_MS * QUARTER_HOUR_MS,
            end_ms=-(-end_ms // QUARTER_HOUR_MS) * QUARTER_HOUR_MS,
            is_whole_device=start is None and end is None,
            observations=0,
        )
        query = select(func.count()).select_from(observation).where(_rows_of(request))
        return replace(request, observations=connection.execute(query).scalar_one())


def erase(
    writer: Engine,
    reader: Engine,
    request: ErasureRequest,
    *,
    now_ms: int,
    progress: ProgressReporter = no_progress,
    sleep: Callable[[float], None] = time.sleep,
) -> ErasureReceipt:
    """Erase in batches, the rollup being consistent after each: at first, the span becomes one that is never stored.

    If it is interrupted, repeating it erases the rest. DatabaseError if the log cannot be read or written.
    """
    receipt = ErasureReceipt(erased_ms=now_ms)
    with write_transaction(writer) as connection:
        last_key = connection.scalar(select(func.max(observation.c.key))) or 0
        last_rejected_key = connection.scalar(select(func.max(rejected.c.key))) or 0
        _record_erasure(connection, request, now_ms)
        if request.is_whole_device:
            states = schema.device_state
            receipt.device_states = connection.execute(
                delete(states).where(states.c.device == request.device_key)
            ).rowcount
    with progress("observations", request.observations) as advance:
        while count := _erase_observations(writer, request, last_key):
            receipt.observations += count
            advance(count)
            sleep(PAUSE_S)
    after_key: int | None = 0
    while after_key is not None:
        count, after_key = _erase_rejected(writer, request, after_key, last_rejected_key)
        receipt.rejected += count
        sleep(PAUSE_S)
    while (forgotten := _forget_counts(writer, request)) is not None:
        receipt.counts += forgotten
        sleep(PAUSE_S)
    receipt.captures = delete_unused_captures(writer, reader)
    receipt.is_overwritten = _overwrite(writer, sleep)
    return receipt


def _newest_ms(connection: Connection, device: int, now_ms: int) -> int:
    """The time of a device's newest observation that collectors could have accepted by now."""
    query = select(func.max(observation.c.at_ms)).where(
        observation.c.device == device,
        observation.c.synced == 1,
        observation.c.at_ms <= now_ms + MAX_AHEAD_H * HOUR_MS,
    )
    return connection.scalar(query) or 0


def _record_erasure(connection: Connection, request: ErasureRequest, now_ms: int) -> None:
    """From now on, collectors reject what arrives of the span; see `mien.broker.ingest.erasures`."""
    table, device = schema.erasure, request.device_key
    values = {"erased_ms": now_ms, "clear_retained": int(request.is_whole_device)}
    same = {
        "device": device,
        "start_ms": request.start_ms,
        "end_ms": request.end_ms,
        "is_whole_device": int(request.is_whole_device),
    }
    is_same = and_(*(table.c[name] == value for name, value in same.items()))
    if not connection.execute(update(table).where(is_same).values(values)).rowcount:
        connection.execute(insert(table).values(same | values))
    connection.execute(update(outbox_counter).where(outbox_counter.c.device == device).values(after_erasure_seq=None))


def _rows_of(request: ErasureRequest) -> ColumnElement[bool]:
    """Which observations to erase: for a whole device also those in the future, by a clock that was wrong."""
    rows = and_(observation.c.device == request.device_key, observation.c.at_ms >= request.start_ms)
    return rows if request.is_whole_device else and_(rows, observation.c.at_ms < request.end_ms)


def _erase_observations(writer: Engine, request: ErasureRequest, last_key: int) -> int:
    """Erase the next batch of those that are not newer than a key; how many there were."""
    quarter_hour = (observation.c.at_ms // QUARTER_HOUR_MS).label("quarter_hour")
    columns = [*(observation.c[name] for name in ("key", "device", "emotion", "confidence")), quarter_hour]
    query: Select[Any] = select(*columns).where(_rows_of(request), observation.c.key <= last_key)
    with write_transaction(writer) as connection:
        rows = connection.execute(query.order_by(observation.c.at_ms).limit(BATCH_SIZE)).all()
        if rows:
            connection.execute(delete(observation).where(observation.c.key.in_([row.key for row in rows])))
            rollup.subtract(connection, rows)
    return len(rows)


def _erase_rejected(writer: Engine, request: ErasureRequest, after_key: int, last_key: int) -> tuple[int, int | None]:
    """Erase what the next rejected messages say; how many did, and the key of the last; None if there was none.

    Their ids stay: if they arrive again, they are answered.
    """
    device = request.device_key
    columns = (rejected.c.key, rejected.c.device, rejected.c.reason, rejected.c.received_ms, rejected.c.payload)
    query = select(*columns).where(rejected.c.key > after_key, rejected.c.key <= last_key)
    with write_transaction(writer) as connection:
        rows = connection.execute(query.order_by(rejected.c.key).limit(BATCH_SIZE)).all()
        erased: list[int] = []
        for row in rows:
            claim = read_claim(row.payload or b"")
            at_ms = row.received_ms if claim.at_ms is None else claim.at_ms
            is_in_span = request.is_whole_device or request.start_ms <= at_ms < request.end_ms
            if is_in_span and (row.device == device or claim.device == request.device) and row.reason != ERASED:
                erased.append(row.key)
        if erased:
            statement = update(rejected).where(rejected.c.key.in_(erased))
            connection.execute(statement.values(reason=ERASED, payload=None))
    return len(erased), rows[-1].key if rows else None


def _forget_counts(writer: Engine, request: ErasureRequest) -> int | None:
    """How many observations the next cells of the rollup still counted; None if there are no more."""
    end = None if request.is_whole_device else request.end_ms // QUARTER_HOUR_MS
    with write_transaction(writer) as connection:
        cells, counts = rollup.forget_deleted(connection, request.device_key, request.start_ms // QUARTER_HOUR_MS, end)
    return counts if cells else None


def _overwrite(writer: Engine, sleep: Callable[[float], None]) -> bool:
    """Empty SQLite's write-ahead log; whether that succeeded: others may be reading from it all the time."""
    if writer.dialect.name != "sqlite":
        return False
    for pause_s in OVERWRITE_PAUSES_S:
        if truncate_write_ahead_log(writer):
            return True
        sleep(pause_s)
    return truncate_write_ahead_log(writer)

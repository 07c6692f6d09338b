"""Writes arrivals into the emotion log, each exactly once, and says what became of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import DataError, DBAPIError, StatementError

from mien.dropped import Dropped
from mien.emotions import EMOTIONS
from mien.errors import DatabaseError
from mien.observation import Observation

from . import answered, counted, device_state, retention, rollup, schema
from .arrival import Arrival, Flaw, storable
from .database import first_line, reading, writing
from .device_state import State
from .gaps import count_gaps
from .names import keys
from .statements import insert_rows, rows_by_id
from .values import NUMBERS, milliseconds, scaled

LONGEST_REJECTED = 65_536
"""Bytes kept of a rejected message; a good one takes about 700."""


@dataclass(slots=True)
class Outcome:
    """What became of one batch."""

    answers: dict[UUID, str | None] = field(default_factory=dict)
    """For each id None if it is in the log, else why it never will be."""
    stored: int = 0
    """New observations and declared losses."""
    duplicates: int = 0
    """Arrivals that a commit had decided before, or that came twice in the batch."""
    rejected: Counter[Flaw] = field(default_factory=Counter)
    """New ones that can never be stored, by what is wrong with them."""


class Store:
    """The emotion log's only writer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, arrivals: Sequence[Arrival]) -> Outcome:
        """Commit a batch in one transaction.

        An id is stored or rejected, never both and never twice: the first commit decides, and says so again each
        time the id comes again. DatabaseError if nothing was committed; to try again is safe, also where the commit
        had taken place and only its answer was lost.
        """
        try:
            with self._engine.begin() as connection:
                return commit(connection, arrivals)
        except DBAPIError as error:
            if not isinstance(error, DataError):
                raise DatabaseError(f"the emotion log cannot be written: {first_line(error)}") from error
            return self._one_by_one(arrivals, error)
        except (StatementError, OverflowError, UnicodeError) as error:  # from SQLAlchemy, and from sqlite3 itself
            return self._one_by_one(arrivals, error)

    def note(self, states: dict[tuple[str, str], State]) -> None:
        """Keep the last that devices said, by device and topic. DatabaseError if nothing was kept."""
        with writing(self._engine) as connection:
            device_state.keep(connection, states)
            counted.enter(connection, states)

    def gaps(self) -> dict[str, int]:
        """How many numbers of each device's outboxes should be here and are not. DatabaseError as for `note`."""
        with reading(self._engine) as connection:
            return count_gaps(connection)

    def forget(self, before_ms: int, after: int) -> int | None:
        """Delete a batch of what came before a moment; see `retention.forget`. DatabaseError if nothing was deleted."""
        with writing(self._engine) as connection:
            return retention.forget(connection, before_ms, after)

    def _one_by_one(self, arrivals: Sequence[Arrival], error: Exception) -> Outcome:
        """Find the arrival whose content the database does not take, and reject it: it must not hold up the others."""
        if len(arrivals) == 1:
            (arrival,) = arrivals
            if arrival.body is None:
                raise DatabaseError(f"the emotion log cannot keep what it rejects: {first_line(error)}") from error
            reason = storable(f"the database does not take it: {first_line(error)}")
            return self.record([replace(arrival, body=None, flaw="database", reason=reason)])
        whole = Outcome()
        for arrival in arrivals:
            one = self.record([arrival])
            whole.answers |= one.answers
            whole.stored += one.stored
            whole.duplicates += one.duplicates
            whole.rejected += one.rejected
        return whole


def commit(connection: Connection, arrivals: Sequence[Arrival]) -> Outcome:
    """Write a batch inside the caller's transaction."""
    by_id: dict[UUID, Arrival] = {}
    nameless: dict[bytes, Arrival] = {}
    for arrival in arrivals:
        if arrival.id is not None:
            by_id.setdefault(arrival.id, arrival)
        else:
            nameless.setdefault(arrival.sha256, arrival)
    answers = known(connection, by_id)
    new = [arrival for identifier, arrival in sorted(by_id.items()) if identifier not in answers]
    observations = [(one.body, one.received_ms) for one in new if isinstance(one.body, Observation)]
    losses = [(one.body, one.received_ms) for one in new if isinstance(one.body, Dropped)]
    bad = [one for one in new if one.body is None] + _unknown(connection, nameless)
    senders = {one.envelope.outbox.bytes for one in arrivals if one.envelope}
    outboxes = keys(connection, schema.outbox, senders)
    devices = keys(connection, schema.device, {seen.device for seen, _ in [*observations, *losses]})
    if observations:
        rows = _rows(connection, observations, devices, outboxes)
        insert_rows(connection, schema.observation, COLUMNS, rows)
        rollup.add(connection, [(devices[seen.device], seen) for seen, _ in observations])
    if losses:
        connection.execute(insert(schema.dropped), [_dropped_row(*loss, devices, outboxes) for loss in losses])
    if bad:
        connection.execute(insert(schema.rejected), [rejected_row(arrival) for arrival in bad])
    answers |= {one.id: None if one.body else one.reason for one in new if one.id}
    _enter(connection, arrivals, outboxes, losses)
    stored = len(observations) + len(losses)
    return Outcome(
        answers,
        stored=stored,
        duplicates=len(arrivals) - stored - len(bad),
        rejected=Counter(one.flaw for one in bad if one.flaw),
    )


def known(connection: Connection, by_id: dict[UUID, Arrival]) -> dict[UUID, str | None]:
    """What earlier commits have decided: for each id None if it is in the log, else why it never will be."""
    ids = [identifier.bytes for identifier in by_id]
    decided: dict[UUID, str | None] = {}
    for table in (schema.observation, schema.dropped):
        for (found,) in rows_by_id(connection, table, "id", ids):
            decided[UUID(bytes=found)] = None
    for found, reason in rows_by_id(connection, schema.rejected, "id, reason", ids):
        decided[UUID(bytes=found)] = reason
    return decided


def _unknown(connection: Connection, nameless: dict[bytes, Arrival]) -> list[Arrival]:
    """Those without an id that have not been rejected before."""
    if not nameless:
        return []
    rejected = schema.rejected
    before = select(rejected.c.sha256).where(rejected.c.sha256.in_(list(nameless)), rejected.c.id.is_(None))
    kept = set(connection.scalars(before))
    return [arrival for digest, arrival in nameless.items() if digest not in kept]


def _enter(
    connection: Connection,
    arrivals: Sequence[Arrival],
    outboxes: dict[bytes, int],
    losses: Sequence[tuple[Dropped, int]],
) -> None:
    numbers: dict[int, set[int]] = defaultdict(set)
    for one in arrivals:
        if one.envelope:
            numbers[outboxes[one.envelope.outbox.bytes]].add(one.envelope.seq)
    lost: dict[int, list[answered.Run]] = defaultdict(list)
    for loss, _ in losses:
        lost[outboxes[loss.outbox.bytes]].append((loss.first, loss.last))
    answered.enter(connection, numbers, lost)


COLUMNS = (
    "id", "device", "outbox", "capture", "model", "agent", "seq", "track", "at_ms", "received_ms", "synced", "emotion",
    "confidence", *EMOTIONS, "frames", "box_left", "box_top", "box_width", "box_height", "latency_ms",
)  # fmt: skip
all_scores = attrgetter(*EMOTIONS)


def _rows(
    connection: Connection,
    observations: list[tuple[Observation, int]],
    devices: dict[str, int],
    outboxes: dict[bytes, int],
) -> list[tuple[Any, ...]]:
    """Rows in the order of COLUMNS."""
    captures = keys(connection, schema.capture, {seen.capture.bytes for seen, _ in observations})
    models = keys(connection, schema.model, {seen.model for seen, _ in observations})
    agents = keys(connection, schema.agent, {seen.agent for seen, _ in observations})
    return [
        (
            seen.id.bytes,
            devices[seen.device],
            outboxes[seen.outbox.bytes],
            captures[seen.capture.bytes],
            models[seen.model],
            agents[seen.agent],
            seen.seq,
            seen.track,
            milliseconds(seen.at),
            received_ms,
            int(seen.clock == "synced"),
            NUMBERS[seen.emotion],
            scaled(seen.confidence),
            *map(scaled, all_scores(seen.scores)),
            seen.frames,
            *map(scaled, seen.box),
            seen.latency_ms,
        )
        for seen, received_ms in observations
    ]


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
        "at_ms": milliseconds(loss.at),
        "received_ms": received_ms,
    }


def rejected_row(arrival: Arrival) -> dict[str, Any]:
    """A rejected message as a row of its table."""
    return {
        "id": arrival.id.bytes if arrival.id else None,
        "sha256": arrival.sha256,
        "topic": arrival.topic,
        "reason": arrival.reason,
        "received_ms": arrival.received_ms,
        "payload": arrival.payload[:LONGEST_REJECTED],
    }

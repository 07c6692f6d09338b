"""Writes arrivals into the emotion log, each exactly once, and says what became of them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Table, insert, select
from sqlalchemy.exc import DBAPIError

from mien.emotions import EMOTIONS
from mien.errors import DatabaseError
from mien.observation import Observation

from . import schema
from .arrival import Arrival
from .schema import SCALE


class Store:
    """The emotion log's only writer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, arrivals: Sequence[Arrival]) -> dict[UUID, str | None]:
        """Commit a batch in one transaction; for each id in it None if it is in the log, else why it never will be.

        An id is stored or rejected, never both and never twice: the first commit decides, and says so again each
        time the id comes again. DatabaseError if nothing was committed.
        """
        by_id: dict[UUID, Arrival] = {}
        for arrival in arrivals:
            if arrival.id is not None:
                by_id.setdefault(arrival.id, arrival)
        nameless = {arrival.sha256: arrival for arrival in arrivals if arrival.id is None}
        try:
            with self._engine.begin() as connection:
                return self._commit(connection, by_id, nameless)
        except DBAPIError as error:
            raise DatabaseError(f"the emotion log cannot be written: {error.orig}") from error

    def _commit(
        self, connection: Connection, by_id: dict[UUID, Arrival], nameless: dict[bytes, Arrival]
    ) -> dict[UUID, str | None]:
        ids = [identifier.bytes for identifier in by_id]
        observation, rejected = schema.observation, schema.rejected
        answers: dict[UUID, str | None] = {
            UUID(bytes=row.id): None
            for row in connection.execute(select(observation.c.id).where(observation.c.id.in_(ids)))
        }
        for row in connection.execute(select(rejected.c.id, rejected.c.reason).where(rejected.c.id.in_(ids))):
            answers[UUID(bytes=row.id)] = row.reason
        known_hashes = set(
            connection.scalars(
                select(rejected.c.sha256).where(rejected.c.sha256.in_(list(nameless)), rejected.c.id.is_(None))
            )
        )
        new = [arrival for identifier, arrival in sorted(by_id.items()) if identifier not in answers]
        good = [(arrival.observation, arrival.received_ms) for arrival in new if arrival.observation is not None]
        bad = [arrival for arrival in new if arrival.observation is None]
        bad += [arrival for digest, arrival in nameless.items() if digest not in known_hashes]
        if good:
            connection.execute(insert(observation), self._rows(connection, good))
        if bad:
            connection.execute(insert(rejected), [_rejected_row(arrival) for arrival in bad])
        answers |= {arrival.id: None if arrival.observation else arrival.reason for arrival in new if arrival.id}
        return answers

    def _rows(self, connection: Connection, good: list[tuple[Observation, int]]) -> list[dict[str, Any]]:
        devices = _keys(connection, schema.device, {seen.device for seen, _ in good})
        outboxes = _keys(connection, schema.outbox, {seen.outbox.bytes for seen, _ in good})
        captures = _keys(connection, schema.capture, {seen.capture.bytes for seen, _ in good})
        models = _keys(connection, schema.model, {seen.model for seen, _ in good})
        agents = _keys(connection, schema.agent, {seen.agent for seen, _ in good})
        return [
            {
                "id": seen.id.bytes,
                "device": devices[seen.device],
                "outbox": outboxes[seen.outbox.bytes],
                "capture": captures[seen.capture.bytes],
                "model": models[seen.model],
                "agent": agents[seen.agent],
                "seq": seen.seq,
                "track": seen.track,
                "at_ms": round(seen.at.timestamp() * 1000),
                "received_ms": received_ms,
                "synced": int(seen.clock == "synced"),
                "emotion": EMOTIONS.index(seen.emotion),
                "confidence": round(seen.confidence * SCALE),
                **{name: round(getattr(seen.scores, name) * SCALE) for name in EMOTIONS},
                "frames": seen.frames,
                **{
                    f"box_{side}": round(value * SCALE)
                    for side, value in zip(("left", "top", "width", "height"), seen.box, strict=True)
                },
                "latency_ms": seen.latency_ms,
            }
            for seen, received_ms in good
        ]


def _keys(connection: Connection, table: Table, names: set[Any]) -> dict[Any, int]:
    """The short number of each name; names not yet known get one."""
    wanted = select(table.c.name, table.c.key).where(table.c.name.in_(names))
    known = {row.name: row.key for row in connection.execute(wanted)}
    missing = names - known.keys()
    if missing:
        connection.execute(insert(table), [{"name": name} for name in sorted(missing)])
        known = {row.name: row.key for row in connection.execute(wanted)}
    return known


def _rejected_row(arrival: Arrival) -> dict[str, Any]:
    return {
        "id": arrival.id.bytes if arrival.id else None,
        "sha256": arrival.sha256,
        "topic": arrival.topic,
        "reason": arrival.reason,
        "received_ms": arrival.received_ms,
        "payload": arrival.payload,
    }

"""Takes back what `mien query --format ndjson` gave, each observation once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import msgspec
from sqlalchemy import Connection, Engine

from mien.errors import DataError
from mien.observation import Observation

from . import rollup, schema
from .arrival import Arrival
from .database import writing
from .listing import BOX
from .names import keys
from .statements import rows_joined
from .store import commit, known
from .values import milliseconds

BATCH = 500
SETTLED = """
WITH line (outbox, seq) AS ({values}) SELECT DISTINCT line.outbox, line.seq FROM line JOIN answered AS run
ON run.outbox = line.outbox AND run.settled = 1 AND run.first <= line.seq AND run.last >= line.seq
"""


class Received(msgspec.Struct, frozen=True):
    """What a line has beside the observation."""

    received: datetime


@dataclass(slots=True)
class Imported:
    """What became of a file's lines."""

    stored: int = 0
    known: int = 0
    """In the log already: stored, or rejected for good."""


def import_lines(engine: Engine, lines: Iterable[bytes], name: str, advance: Callable[[int], None]) -> Imported:
    """Store the observations that the log does not have; `advance` hears of the bytes that are done.

    Those whose rows retention had deleted stand in the counts already, and are not counted again. DataError names the
    first line that is no observation; what stands before it is stored. DatabaseError if the log cannot be written.
    """
    done = Imported()
    numbered = enumerate(lines, 1)
    while batch := list(islice(numbered, BATCH)):
        arrivals, wrong = _decoded(batch, name)
        if arrivals:
            with writing(engine) as connection:
                stored = _record(connection, arrivals)
            done.stored += stored
            done.known += len(arrivals) - stored
        if wrong:
            raise wrong
        advance(sum(len(line) for _, line in batch))
    return done


def _decoded(batch: list[tuple[int, bytes]], name: str) -> tuple[list[Arrival], DataError | None]:
    arrivals: list[Arrival] = []
    for number, line in batch:
        try:
            if line.strip():
                arrivals.append(_arrival(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            cure = "mend or delete that line and import again; what was before it is stored"
            return arrivals, DataError(f"{name}, line {number}: {error}: {cure}")
    return arrivals, None


def _arrival(line: bytes) -> Arrival:
    """msgspec.DecodeError if the line is no observation as `mien query` lists them."""
    row = msgspec.json.decode(line, type=dict)
    nested = {"schema": 1, "scores": row, "box": [row.get(side) for side in BOX]}
    seen = msgspec.convert(row | nested, Observation)
    received_ms = milliseconds(msgspec.convert(row, Received).received)
    return Arrival(topic="import", payload=line, received_ms=received_ms, device=seen.device, envelope=seen, body=seen)


def _record(connection: Connection, arrivals: list[Arrival]) -> int:
    """Commit a batch; how many were new."""
    by_id = {arrival.id: arrival for arrival in arrivals if arrival.id}
    before = known(connection, by_id)
    new = [arrival.body for identifier, arrival in by_id.items() if identifier not in before]
    returned = _settled(connection, [seen for seen in new if isinstance(seen, Observation)])
    stored = commit(connection, arrivals).stored
    devices = keys(connection, schema.device, {seen.device for seen in returned})
    rollup.take_back(connection, [(devices[seen.device], seen) for seen in returned])
    return stored


def _settled(connection: Connection, new: Sequence[Observation]) -> list[Observation]:
    """Those whose numbers have been answered: they were in the log once."""
    if not new:
        return []
    outboxes = keys(connection, schema.outbox, {seen.outbox.bytes for seen in new})
    numbers = [(outboxes[seen.outbox.bytes], seen.seq) for seen in new]
    settled = set(rows_joined(connection, numbers, SETTLED))
    return [seen for seen, number in zip(new, numbers, strict=True) if number in settled]

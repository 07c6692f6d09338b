"""Lists observations of the emotion log, page by page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, Select, and_, func, or_, select

from mien.emotions import EMOTIONS
from mien.errors import UsageError

from . import schema
from .database import reading
from .narrowing import Narrowed, narrow, within
from .question import Question, in_zone
from .schema import SCALE, observation

Listed = dict[str, Any]
"""An observation in words: the columns of the view emotion_log, `at` and `received` as datetimes."""
PAGE = 1000
SIDES = ("left", "top", "width", "height")
FRACTIONS = ("confidence", *EMOTIONS)
BOX = tuple(f"box_{side}" for side in SIDES)
COLUMNS: dict[str, type] = {
    "at": datetime,
    "device": str,
    "emotion": str,
    **dict.fromkeys(FRACTIONS, float),
    "track": int,
    "frames": int,
    **dict.fromkeys(BOX, float),
    "latency_ms": int,
    "clock": str,
    "model": str,
    "agent": str,
    "id": str,
    "capture": str,
    "outbox": str,
    "seq": int,
    "received": datetime,
}
"""Of what is listed: the names, and the types of their values."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the log, after one observation: the next page goes on from it."""

    at_ms: int
    key: int

    def __str__(self) -> str:
        return f"{self.at_ms}-{self.key}"

    @classmethod
    def parse(cls, mark: str) -> "Mark":
        """From its words. UsageError if it is none."""
        at_ms, _, key = mark.partition("-")
        if not (at_ms.isdecimal() and key.isdecimal() and len(mark) < 40):
            raise UsageError(f"{mark!r} is no place in the log: take `next` of the page before", field="after")
        return cls(int(at_ms), int(key))


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the observations that a question is about."""

    rows: list[Listed]
    next: Mark | None
    """Where the next page begins; None if this was the last."""


def list_page(
    engine: Engine,
    question: Question,
    *,
    limit: int,
    zone: tzinfo | None,
    oldest_first: bool = False,
    after: Mark | None = None,
) -> Page:
    """At most `limit` observations from a mark on, the newest first unless the oldest are wanted first.

    Times are of `zone`, or of this machine. UsageError if the log has no such device or model; DatabaseError if it
    cannot be read, QueryStopped or LogBusy as for `reading`.
    """
    with reading(engine) as connection:
        narrowed = narrow(connection, question)
        # for each device the index (device, time) gives the page in order; of several, the pages are merged
        each = [[key] for key in narrowed.devices] or [[]]
        rows = [
            row
            for devices in each
            for row in connection.execute(
                _page(Narrowed(devices, narrowed.emotions, narrowed.others), question, limit + 1, oldest_first, after)
            )
        ]
    rows.sort(key=lambda row: (row.at_ms, row.key), reverse=not oldest_first)
    last = Mark(rows[limit - 1].at_ms, rows[limit - 1].key) if len(rows) > limit else None
    return Page([_words(row, zone) for row in rows[:limit]], last)


def list_observations(engine: Engine, question: Question, *, limit: int, zone: tzinfo | None) -> list[Listed]:
    """The newest observations, at most `limit`, oldest first. Errors as for `list_page`."""
    return list_page(engine, question, limit=limit, zone=zone).rows[::-1]


def each_page(engine: Engine, question: Question, *, zone: tzinfo | None) -> Iterator[list[Listed]]:
    """All observations, the oldest first, in pages: however many, little memory and no long hold on the log.

    Errors as for `list_page`.
    """
    page: Page | None = None
    while page is None or page.next:
        after = page.next if page else None
        page = list_page(engine, question, limit=PAGE, zone=zone, oldest_first=True, after=after)
        if page.rows:
            yield page.rows


def how_many(engine: Engine, question: Question) -> int:
    """How many observations a question is about that still have their rows. Errors as for `list_page`."""
    with reading(engine) as connection:
        narrowed = narrow(connection, question)
        span = within(question.begin_ms, question.end_ms)
        wanted = select(func.count()).select_from(observation)
        return int(connection.execute(wanted.where(*narrowed.of_rows(), *span)).scalar_one())


def new_rows(
    connection: Connection, question: Question, *, after: int, limit: int, zone: tzinfo | None
) -> tuple[list[Listed], int]:
    """The next observations in the order in which they were stored, and the key of the last; `after` if none came."""
    narrowed = narrow(connection, question)
    span = within(question.begin_ms, question.end_ms)
    wanted = _listed().where(observation.c.key > after, *narrowed.of_rows(), *span)
    rows = connection.execute(wanted.order_by(observation.c.key).limit(limit)).all()
    return [_words(row, zone) for row in rows], rows[-1].key if rows else after


def _page(narrowed: Narrowed, question: Question, limit: int, oldest_first: bool, after: Mark | None) -> Select[Any]:
    wanted = _listed().where(*narrowed.of_rows(), *within(question.begin_ms, question.end_ms))
    at_ms, key = observation.c.at_ms, observation.c.key
    if after and oldest_first:
        wanted = wanted.where(
            at_ms >= after.at_ms, or_(at_ms > after.at_ms, and_(at_ms == after.at_ms, key > after.key))
        )
    elif after:
        wanted = wanted.where(
            at_ms <= after.at_ms, or_(at_ms < after.at_ms, and_(at_ms == after.at_ms, key < after.key))
        )
    order = (at_ms, key) if oldest_first else (at_ms.desc(), key.desc())
    return wanted.order_by(*order).limit(limit)


def _listed() -> Select[Any]:
    names = (schema.device, schema.model, schema.agent, schema.capture, schema.outbox)
    numbers = [column for column in observation.c if column.name not in {table.name for table in names}]
    wanted = select(*numbers, *(table.c.name.label(table.name) for table in names)).select_from(observation)
    for table in names:
        wanted = wanted.join(table, table.c.key == observation.c[table.name])
    return wanted


def _words(row: Row[Any], zone: tzinfo | None) -> Listed:
    found = row._mapping
    return {
        "at": in_zone(row.at_ms, zone),
        "device": row.device,
        "emotion": EMOTIONS[row.emotion],
        **{name: found[name] / SCALE for name in FRACTIONS},
        "track": row.track,
        "frames": row.frames,
        **{name: found[name] / SCALE for name in BOX},
        "latency_ms": row.latency_ms,
        "clock": "synced" if row.synced else "unsynced",
        "model": row.model,
        "agent": row.agent,
        "id": str(UUID(bytes=row.id)),
        "capture": str(UUID(bytes=row.capture)),
        "outbox": str(UUID(bytes=row.outbox)),
        "seq": row.seq,
        "received": in_zone(row.received_ms, zone),
    }

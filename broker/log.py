"""The emotion log for programs: the same questions as `mien query`, answered with rows or frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from .counting import columns_of, count_observations
from .database import open_for_reading
from .devices import list_devices
from .following import POLL_S, Follower
from .listing import COLUMNS, each_page, list_observations
from .question import Asked, ask, parse_groups, parse_zone
from .rows import Rows
from .sql import run_sql

LIMIT_S = 30.0


class EmotionLog:
    """An emotion log, read while collectors write it; use as a context manager, or call `close`.

    url: a SQLite file, or postgresql://HOST/DATABASE.
    zone: the time zone of days and hours, such as Europe/Berlin; this machine's own unless given.
    limit_s: what takes longer is stopped; None for no limit.

    DatabaseError if there is no log, or not of this release; UsageError if the time zone is not known.

    Questions take the words of `mien.broker.question.Asked`: devices, emotions, since, begin, end, least_confidence,
    capture, model. Each raises UsageError for a word that makes no sense, or a device or model that the log does not
    know; DatabaseError if the log cannot be read, QueryStopped at the time limit, LogBusy if four are asking already.

    >>> with EmotionLog("mien.db", zone="Europe/Berlin") as log:
    ...     log.counts("hour,emotion", since="7d", devices=["hallway"]).to_pandas()
    """

    def __init__(
        self, url: str | Path = "mien.db", *, zone: str | None = None, limit_s: float | None = LIMIT_S
    ) -> None:
        self._zone = parse_zone(zone)
        self._engine = open_for_reading(url, limit_s=limit_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def observations(self, *, limit: int | None = 100, **asked: Unpack[Asked]) -> Rows:
        """The newest observations, the oldest of them first; all of them without a limit.

        A row has the columns of the view emotion_log: `at` and `received` (datetimes), device, emotion; confidence and
        the seven scores from 0 to 1; track, frames; box_left, box_top, box_width, box_height as fractions of the
        picture; latency_ms, clock, model, agent, id, capture, outbox, seq.
        """
        question = ask(self._zone, **asked)
        if limit is None:
            rows = [row for page in each_page(self._engine, question, zone=self._zone) for row in page]
        else:
            rows = list_observations(self._engine, question, limit=limit, zone=self._zone)
        return Rows(rows, self._zone, columns=COLUMNS)

    def counts(self, by: str | Sequence[str], **asked: Unpack[Asked]) -> Rows:
        """How many observations in each group: minute, hour, day, weekday, emotion, device, model, or several.

        A row has the groups' names (minute and hour as datetimes, day as a date, others as text), observations, their
        share of all that were counted, and mean_confidence, both from 0 to 1. An observation is one tracked face over
        a reporting interval, 1 s by default: a count is tracked-face seconds, not people.
        """
        groups = parse_groups(by)
        counts = count_observations(self._engine, ask(self._zone, **asked), by=groups, zone=self._zone)
        return Rows(counts.rows, self._zone, columns=columns_of(groups), source=counts.source)

    def devices(self) -> Rows:
        """A row for each device: how it is, what it last saw, what is missing; see `mien.broker.devices`."""
        return Rows(list_devices(self._engine, zone=self._zone), self._zone)

    def follow(self, *, poll_s: float = POLL_S, **asked: Unpack[Asked]) -> Iterator[Rows]:
        """New observations as they are stored, as `observations` gives them; waits for them without an end."""
        follower = Follower(self._engine, ask(self._zone, **asked), zone=self._zone)
        return (Rows(rows, self._zone) for rows in follower.each(poll_s))

    def sql(self, statement: str) -> Rows:
        """The rows of one SELECT, at most 100,000. UsageError also if it is none, is wrong, or would write."""
        return Rows(run_sql(self._engine, statement), self._zone, source="your SQL")

"""The emotion log for programs: `mien query`, the dashboard and notebooks all read a log through this."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from mien.broker.database.columns import ObservationRow
from mien.broker.database.engine import open_for_reading
from mien.broker.predictions.drift import DriftRow, measure_drift
from mien.broker.predictions.uncertainty import shipped_thresholds, shown_emotion
from mien.broker.row import column_types

from .aggregate import CountRow, count_observations
from .collectors import CollectorRow, list_collectors
from .devices import DeviceRow, list_devices
from .filters import FilterOptions, parse_filter, parse_groups, parse_timezone
from .gaps import GapRow, list_gaps
from .observations import Cursor, Observations, Page, count_rows, list_observations, list_page, read_pages
from .raw_sql import run_sql
from .result import Result
from .tail import POLL_S, Tail

QUERY_TIMEOUT_S = 30.0


class EmotionLog:
    """An emotion log, which may be read while collectors write it; use as a context manager, or call `close`.

    url: a SQLite file, or postgresql://HOST/DATABASE.
    zone: the time zone of all times, such as Europe/Berlin; by default this machine's time zone.
    timeout_s: stop queries that take longer; None for no limit.
    thresholds: of models, by their names in observations, the confidence below which `shown_emotion` says `uncertain`,
    beside the shipped model's, which its model card states; 0 means never.

    DatabaseError if there is no log, or it was made by another release; UsageError if the time zone is unknown.

    Most methods accept the options of `mien.broker.query.filters.FilterOptions`: devices, emotions, since, start, end,
    min_confidence, capture, model. All raise UsageError if a value is invalid or the log has no such device or model,
    DatabaseError if the log cannot be read, QueryTimeout at the time limit, and TooManyQueries if four queries are
    already running. Results are sequences of typed rows, and convert to pandas, Polars and Arrow.

    >>> with EmotionLog("mien.db", zone="Europe/Berlin") as log:
    ...     for row in log.observations(devices=["hallway"], limit=2):
    ...         print(row.at, row.emotion, row.confidence)
    2026-11-22 15:30:00.123000+01:00 happy 0.7
    2026-11-22 15:30:01.123000+01:00 happy 0.7
    """

    def __init__(
        self,
        url: str | Path = "mien.db",
        *,
        zone: str | None = None,
        timeout_s: float | None = QUERY_TIMEOUT_S,
        thresholds: Mapping[str, float] | None = None,
    ) -> None:
        self._zone = parse_timezone(zone)
        self._timeout_s = timeout_s
        self._thresholds = thresholds or {}
        self._engine = open_for_reading(url, timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def in_zone(self, zone: str | None) -> "EmotionLog":
        """The same log, through the same connections, with times in another time zone. UsageError if it is unknown.

        >>> log.in_zone("UTC").observations(limit=1)[0].at.isoformat()
        '2026-11-22T14:30:01.123000+00:00'
        """
        log = copy(self)
        log._zone = parse_timezone(zone)
        return log

    def observations(self, *, limit: int | None = 100, **options: Unpack[FilterOptions]) -> Observations:
        """The newest observations, oldest first; all of them if `limit` is None. `ObservationRow` lists the columns.

        >>> log.observations(emotions=["happy"], min_confidence=0.6).to_pandas()[["device", "emotion", "confidence"]]
            device emotion  confidence
        0  hallway   happy         0.7
        1  hallway   happy         0.7
        """
        log_filter = parse_filter(self._zone, **options)
        if limit is not None:
            return list_observations(self._engine, log_filter, limit=limit, zone=self._zone)
        pages = read_pages(self._engine, log_filter, zone=self._zone)
        return Observations([row for page in pages for row in page], zone=self._zone)

    def observation_pages(self, **options: Unpack[FilterOptions]) -> Iterator[Page]:
        """All observations, oldest first, in pages, for more than fit into memory; a single empty page if none match.

        >>> sum(len(page) for page in log.observation_pages(devices=["hallway"]))
        2
        """
        return read_pages(self._engine, parse_filter(self._zone, **options), zone=self._zone)

    def observation_count(self, **options: Unpack[FilterOptions]) -> int:
        """The number of observations that `observation_pages` returns; `counts` includes those that were deleted.

        >>> log.observation_count()
        2
        """
        return count_rows(self._engine, parse_filter(self._zone, **options))

    def page(
        self,
        after: str | Cursor | None = None,
        *,
        limit: int = 100,
        oldest_first: bool = False,
        **options: Unpack[FilterOptions],
    ) -> Page:
        """A page of observations, the newest first; `after` continues with the page's `next`, or with its text.

        >>> page = log.page(limit=1)
        >>> page[0].seq, log.page(page.next)[0].seq
        (2, 1)
        """
        cursor = Cursor.parse(after) if isinstance(after, str) else after
        log_filter = parse_filter(self._zone, **options)
        return list_page(
            self._engine, log_filter, limit=limit, zone=self._zone, oldest_first=oldest_first, after=cursor
        )

    def counts(self, by: str | Sequence[str], **options: Unpack[FilterOptions]) -> Result[CountRow]:
        """The number of observations by minute, hour, day, weekday, emotion, device, model, or several of these.

        An observation is one tracked face over a reporting interval, 1 s by default: a count is tracked-face seconds,
        not people. Shares and mean confidences are from 0 to 1. `source` says what the counts were computed from.

        >>> counts = log.counts("day,emotion", start="2026-11-22")
        >>> [(row.day, row.emotion, row.observations, row.mean_confidence) for row in counts]
        [(datetime.date(2026, 11, 22), 'happy', 2, 0.7)]
        >>> counts.source
        'quarter-hour counts'
        """
        groups = parse_groups(by)
        log_filter = parse_filter(self._zone, **options)
        return count_observations(self._engine, log_filter, by=groups, zone=self._zone)

    def devices(self) -> Result[DeviceRow]:
        """The state of each device; None where it has not reported a value.

        >>> [(device.device, device.last_emotion, device.gaps) for device in log.devices()]
        [('hallway', 'happy', 0)]
        """
        return list_devices(self._engine, zone=self._zone)

    def drift(self) -> Result[DriftRow]:
        """How much the predictions of each device of the last day differ from those of the two weeks before.

        >>> log.drift().to_dicts()  # only of devices that have observed anything within the last day
        []
        """
        rows = measure_drift(self._engine, datetime.now(UTC))
        return Result(rows, column_types(DriftRow), zone=self._zone)

    @property
    def thresholds(self) -> dict[str, float]:
        """The confidence below which `shown_emotion` says `uncertain`, by model.

        ModelError if the shipped model, whose card states its threshold, is damaged.
        """
        return {**shipped_thresholds(), **self._thresholds}

    def shown_emotion(self, row: ObservationRow) -> str:
        """What people should read of an observation: its emotion, or `uncertain` if its confidence is too low.

        The row itself always has one of the seven emotions, and is counted as that. Errors as for `thresholds`.

        >>> [log.shown_emotion(row) for row in log.observations(limit=1)]
        ['happy']
        """
        return shown_emotion(row.emotion, row.confidence, row.model, self.thresholds)

    def collectors(self) -> Result[CollectorRow]:
        """The state of each collector, as it last wrote it into the log.

        >>> [collector.collector for collector in log.collectors() if collector.state == "busy"]
        []
        """
        return list_collectors(self._engine, zone=self._zone)

    def gaps(self) -> Result[GapRow]:
        """The sequence numbers that a device has counted but no longer holds, and that were never acknowledged.

        >>> log.gaps().to_dicts()
        []
        """
        return list_gaps(self._engine)

    def tail(self, *, poll_s: float = POLL_S, **options: Unpack[FilterOptions]) -> Tail:
        """The observations that are stored from now on: iterate to wait for them, or call `read` from time to time.

        >>> for new in log.tail(emotions=["surprise"]):  # doctest: +SKIP
        ...     print(new[0].device)
        """
        return Tail(self._engine, parse_filter(self._zone, **options), zone=self._zone, poll_s=poll_s)

    def sql(self, statement: str) -> Result[dict[str, Any]]:
        """The rows of one SELECT, at most 100,000, as dictionaries. UsageError if it is invalid, or would write.

        On PostgreSQL, also if the role of the URL is a superuser: use one that can only read.

        >>> log.sql("SELECT device, count(*) AS count FROM emotion_log GROUP BY device")[0]
        {'device': 'hallway', 'count': 2}
        """
        return run_sql(self._engine, statement, zone=self._zone, timeout_s=self._timeout_s)

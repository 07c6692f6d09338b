"""Filters on the emotion log: as people write them, and parsed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypedDict, Unpack
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mien.broker.database.encoding import to_epoch_ms
from mien.emotions import EMOTIONS, Emotion
from mien.errors import UsageError

GROUPS = ("minute", "hour", "day", "weekday", "emotion", "device", "model")
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which observations to select."""

    devices: Sequence[str] = ()
    """Only these devices; all if empty."""
    emotions: Sequence[Emotion] = ()
    """Only these emotions; all if empty."""
    start: datetime | None = None
    """Inclusive."""
    end: datetime | None = None
    """Exclusive."""
    min_confidence: float = 0.0
    """From 0 to 1."""
    capture: UUID | None = None
    """Only observations from this capture."""
    model: str | None = None
    """Only observations by this model, named by the first twelve hex digits of its SHA-256."""

    @property
    def needs_rows(self) -> bool:
        """Whether it selects by something that only the rows record, not the rollup."""
        return bool(self.min_confidence) or self.capture is not None or self.model is not None

    @property
    def start_ms(self) -> int | None:
        return None if self.start is None else to_epoch_ms(self.start)

    @property
    def end_ms(self) -> int | None:
        return None if self.end is None else to_epoch_ms(self.end)


class FilterOptions(TypedDict, total=False):
    """A filter as people write it; None means not set."""

    devices: Sequence[str] | None
    """Device names."""
    emotions: Sequence[str] | None
    """Emotion names."""
    since: str | None
    """How far back to go, such as 24h."""
    start: str | datetime | None
    """From this time on: a datetime, 2026-11-22 or 2026-11-22T14:30."""
    end: str | datetime | None
    """Up to, but not including, this time."""
    min_confidence: float | None
    """Only observations with at least this confidence, from 0 to 1."""
    capture: str | None
    """Only observations from this capture, by its id."""
    model: str | None
    """Only observations by this model, named as in emotion_log."""


def parse_filter(zone: tzinfo | None, **options: Unpack[FilterOptions]) -> Filter:
    """Parse the options of a filter; times without an offset are in `zone`, or in this machine's time zone.

    UsageError names the option that is wrong and a valid value.
    """
    since, start, end = options.get("since"), options.get("start"), options.get("end")
    if since is not None and start is not None:
        raise UsageError("since and from both set the start: use only one of them", field="since")
    min_confidence = options.get("min_confidence") or 0.0
    if not 0 <= min_confidence <= 1:
        raise UsageError(
            f"min_confidence is {min_confidence}: it must be from 0 to 1, such as 0.6", field="min_confidence"
        )
    capture = options.get("capture")
    log_filter = Filter(
        devices=tuple(options.get("devices") or ()),
        emotions=parse_emotions(options.get("emotions") or ()),
        start=parse_since(since, datetime.now(UTC)) if since is not None else _to_time(start, zone, "from"),
        end=_to_time(end, zone, "to"),
        min_confidence=min_confidence,
        capture=None if capture is None else parse_capture(capture),
        model=options.get("model"),
    )
    if log_filter.start and log_filter.end and log_filter.start >= log_filter.end:
        raise UsageError("the time range ends before it starts: to must be later than from", field="to")
    return log_filter


def _to_time(time: str | datetime | None, zone: tzinfo | None, field: str) -> datetime | None:
    if isinstance(time, datetime):
        return time if time.tzinfo else time.replace(tzinfo=zone).astimezone(UTC)
    return None if time is None else parse_time(time, zone, field)


def parse_groups(by: str | Sequence[str]) -> list[str]:
    """Parse the groups to count by: `hour,emotion`, or a list of names. UsageError lists the valid names."""
    names = [name.strip() for name in by.split(",")] if isinstance(by, str) else by
    for name in names:
        if name not in GROUPS:
            raise UsageError(f"cannot group by {name!r}: choose from {', '.join(GROUPS)}", field="by")
    return list(dict.fromkeys(names))


def parse_since(since: str, now: datetime) -> datetime:
    """The time `24h` before `now`; the units are s, m, h, d and w. UsageError if it is not a duration."""
    try:
        return now - timedelta(seconds=float(since[:-1]) * UNITS_S[since[-1:]])
    except (ValueError, KeyError, OverflowError) as error:
        raise UsageError(
            f"cannot read {since!r} as a duration: write 90s, 15m, 24h, 7d or 2w", field="since"
        ) from error


def parse_timezone(name: str | None) -> ZoneInfo | None:
    """A time zone by its name; None, for this machine's own, if there is no name. UsageError if it is unknown."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"unknown time zone {name!r}: use a name such as Europe/Berlin", field="timezone") from error


def parse_time(time: str, zone: tzinfo | None, field: str = "from") -> datetime:
    """Parse `2026-11-22` or `2026-11-22T14:30`, in `zone` unless it has an offset. UsageError if it is not a time."""
    try:
        parsed = datetime.fromisoformat(time)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"cannot read {time!r} as a time: write 2026-11-22 or 2026-11-22T14:30", field=field
        ) from error


def parse_capture(capture_id: str) -> UUID:
    """The id of a capture. UsageError if it is not a UUID."""
    try:
        return UUID(capture_id)
    except ValueError as error:
        hint = "copy one from the column capture of emotion_log"
        raise UsageError(f"{capture_id!r} is not a capture id: {hint}", field="capture") from error


def parse_emotions(names: Sequence[str]) -> list[Emotion]:
    """Emotions by their names. UsageError lists the valid names."""
    for name in names:
        if name not in EMOTIONS:
            raise UsageError(f"unknown emotion {name!r}: choose from {', '.join(EMOTIONS)}", field="emotion")
    return [emotion for emotion in EMOTIONS if emotion in names]

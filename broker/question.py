"""Which part of the emotion log a question is about, and how people write it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, select

from mien.emotions import EMOTIONS, Emotion
from mien.errors import UsageError

from .schema import SCALE, capture, device, model, observation
from .values import NUMBERS, milliseconds

GROUPS = ("minute", "hour", "day", "weekday", "emotion", "device", "model")
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which part of the log."""

    devices: Sequence[str] = ()
    """Only these, if any."""
    emotions: Sequence[Emotion] = ()
    """Only these, if any."""
    begin: datetime | None = None
    end: datetime | None = None
    """Up to but not with this moment."""
    least_confidence: float = 0.0
    """Only observations at least so sure, from 0 to 1."""
    capture: UUID | None = None
    """Only those of this wake."""
    model: str | None = None
    """Only this model's, by the first twelve digits of its SHA-256."""

    @property
    def about_rows(self) -> bool:
        """Whether it asks for what only rows have, not the counts kept of them."""
        return bool(self.least_confidence or self.capture or self.model)

    def conditions(self) -> list[ColumnElement[bool]]:
        """The question as SQL over observation joined with device, but for its time."""
        conditions: list[ColumnElement[bool]] = []
        if self.devices:
            conditions.append(device.c.name.in_(self.devices))
        if self.emotions:
            conditions.append(observation.c.emotion.in_(self.emotion_numbers()))
        if self.least_confidence:
            conditions.append(observation.c.confidence >= round(self.least_confidence * SCALE))
        if self.capture:
            wanted = select(capture.c.key).where(capture.c.name == self.capture.bytes)
            conditions.append(observation.c.capture == wanted.scalar_subquery())
        if self.model:
            wanted = select(model.c.key).where(model.c.name == self.model)
            conditions.append(observation.c.model == wanted.scalar_subquery())
        return conditions

    def emotion_numbers(self) -> list[int]:
        """As tables hold them."""
        return [NUMBERS[name] for name in self.emotions]

    @property
    def begin_ms(self) -> int | None:
        return None if self.begin is None else milliseconds(self.begin)

    @property
    def end_ms(self) -> int | None:
        return None if self.end is None else milliseconds(self.end)


def within(begin_ms: int | None, end_ms: int | None) -> list[ColumnElement[bool]]:
    """A span of time as SQL over observation."""
    conditions: list[ColumnElement[bool]] = []
    if begin_ms is not None:
        conditions.append(observation.c.at_ms >= begin_ms)
    if end_ms is not None:
        conditions.append(observation.c.at_ms < end_ms)
    return conditions


def parse_groups(by: str) -> list[str]:
    """Groups from `hour,emotion`. UsageError names those there are."""
    names = [name.strip() for name in by.split(",")]
    for name in names:
        if name not in GROUPS:
            raise UsageError(f"cannot group by {name!r}: choose from {', '.join(GROUPS)}")
    return list(dict.fromkeys(names))


def parse_since(since: str, now: datetime) -> datetime:
    """The moment `24h` ago; s, m, h, d and w are known. UsageError if it is no duration."""
    try:
        return now - timedelta(seconds=float(since[:-1]) * UNITS_S[since[-1:]])
    except (ValueError, KeyError, OverflowError) as error:
        raise UsageError(f"cannot read {since!r} as a duration: write 90s, 15m, 24h, 7d or 2w") from error


def parse_zone(name: str | None) -> ZoneInfo | None:
    """A time zone by its name; None, this machine's own, without one. UsageError if it is not known."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"there is no time zone {name!r}: write it like Europe/Berlin") from error


def parse_moment(moment: str, zone: tzinfo | None) -> datetime:
    """A moment from `2026-11-22` or `2026-11-22T14:30`, in `zone` unless it says its own. UsageError if it is none."""
    try:
        parsed = datetime.fromisoformat(moment)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"cannot read {moment!r} as a time: write 2026-11-22 or 2026-11-22T14:30") from error


def parse_capture(identifier: str) -> UUID:
    """A capture by its id. UsageError if it is none."""
    try:
        return UUID(identifier)
    except ValueError as error:
        cure = "write it as the column capture of emotion_log has it"
        raise UsageError(f"{identifier!r} is no capture: {cure}") from error


def parse_emotions(names: Sequence[str]) -> list[Emotion]:
    """Emotions by their names. UsageError names those there are."""
    for name in names:
        if name not in EMOTIONS:
            raise UsageError(f"there is no emotion {name!r}: choose from {', '.join(EMOTIONS)}")
    return [emotion for emotion in EMOTIONS if emotion in names]


def in_zone(at_ms: int, zone: tzinfo | None) -> datetime:
    """A moment in `zone`, in this machine's own without one, summer time included."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)

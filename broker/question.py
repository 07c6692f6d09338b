"""Which part of the emotion log a question is about, and how people write it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TypedDict, Unpack
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mien.emotions import EMOTIONS, Emotion
from mien.errors import UsageError

from .values import milliseconds

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
        return bool(self.least_confidence) or self.capture is not None or self.model is not None

    @property
    def begin_ms(self) -> int | None:
        return None if self.begin is None else milliseconds(self.begin)

    @property
    def end_ms(self) -> int | None:
        return None if self.end is None else milliseconds(self.end)


class Asked(TypedDict, total=False):
    """A question as people write it; None is as if it were not there."""

    devices: Sequence[str] | None
    """Names of devices."""
    emotions: Sequence[str] | None
    """Names of emotions."""
    since: str | None
    """Such as 24h: from so long ago on."""
    begin: str | datetime | None
    """From this moment on: a datetime, or 2026-11-22, or 2026-11-22T14:30."""
    end: str | datetime | None
    """Up to, but not with, this moment."""
    least_confidence: float | None
    """Only observations at least so sure, from 0 to 1."""
    capture: str | None
    """Only those of this wake, by its id."""
    model: str | None
    """Only this model's, as emotion_log names it."""


def ask(zone: tzinfo | None, **asked: Unpack[Asked]) -> Question:
    """A question from its words; moments without a zone of their own are of `zone`, or of this machine.

    UsageError names the word that is wrong, and one that would be right.
    """
    since, begin, end = asked.get("since"), asked.get("begin"), asked.get("end")
    if since is not None and begin is not None:
        raise UsageError("since and from both say where to begin: give one of them", field="since")
    least_confidence = asked.get("least_confidence") or 0.0
    if not 0 <= least_confidence <= 1:
        raise UsageError(f"a confidence of {least_confidence}: it goes from 0 to 1, such as 0.6", field="confidence")
    capture = asked.get("capture")
    question = Question(
        devices=tuple(asked.get("devices") or ()),
        emotions=parse_emotions(asked.get("emotions") or ()),
        begin=parse_since(since, datetime.now(UTC)) if since is not None else _moment(begin, zone, "from"),
        end=_moment(end, zone, "to"),
        least_confidence=least_confidence,
        capture=None if capture is None else parse_capture(capture),
        model=asked.get("model"),
    )
    if question.begin and question.end and question.begin >= question.end:
        raise UsageError("the time asked for ends before it begins: to must be later than from", field="to")
    return question


def _moment(moment: str | datetime | None, zone: tzinfo | None, field: str) -> datetime | None:
    if isinstance(moment, datetime):
        return moment if moment.tzinfo else moment.replace(tzinfo=zone).astimezone(UTC)
    return None if moment is None else parse_moment(moment, zone, field)


def parse_groups(by: str | Sequence[str]) -> list[str]:
    """Groups from `hour,emotion`, or from their names. UsageError names those there are."""
    names = [name.strip() for name in by.split(",")] if isinstance(by, str) else by
    for name in names:
        if name not in GROUPS:
            raise UsageError(f"cannot group by {name!r}: choose from {', '.join(GROUPS)}", field="by")
    return list(dict.fromkeys(names))


def parse_since(since: str, now: datetime) -> datetime:
    """The moment `24h` ago; s, m, h, d and w are known. UsageError if it is no duration."""
    try:
        return now - timedelta(seconds=float(since[:-1]) * UNITS_S[since[-1:]])
    except (ValueError, KeyError, OverflowError) as error:
        raise UsageError(
            f"cannot read {since!r} as a duration: write 90s, 15m, 24h, 7d or 2w", field="since"
        ) from error


def parse_zone(name: str | None) -> ZoneInfo | None:
    """A time zone by its name; None, this machine's own, without one. UsageError if it is not known."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"there is no time zone {name!r}: write it like Europe/Berlin", field="timezone") from error


def parse_moment(moment: str, zone: tzinfo | None, field: str = "from") -> datetime:
    """A moment from `2026-11-22` or `2026-11-22T14:30`, in `zone` unless it says its own. UsageError if it is none."""
    try:
        parsed = datetime.fromisoformat(moment)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"cannot read {moment!r} as a time: write 2026-11-22 or 2026-11-22T14:30", field=field
        ) from error


def parse_capture(identifier: str) -> UUID:
    """A capture by its id. UsageError if it is none."""
    try:
        return UUID(identifier)
    except ValueError as error:
        cure = "write it as the column capture of emotion_log has it"
        raise UsageError(f"{identifier!r} is no capture: {cure}", field="capture") from error


def parse_emotions(names: Sequence[str]) -> list[Emotion]:
    """Emotions by their names. UsageError names those there are."""
    for name in names:
        if name not in EMOTIONS:
            raise UsageError(f"there is no emotion {name!r}: choose from {', '.join(EMOTIONS)}", field="emotion")
    return [emotion for emotion in EMOTIONS if emotion in names]


def in_zone(at_ms: int, zone: tzinfo | None) -> datetime:
    """A moment in `zone`, in this machine's own without one, summer time included.

    Its offset is a fixed one: of the two hours called 2 o'clock in autumn, Python takes those of one zone for equal.
    """
    here = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    return here.replace(tzinfo=timezone(here.utcoffset() or timedelta()))

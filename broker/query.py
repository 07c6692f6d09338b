"""Answers questions about the emotion log: which observations, or how many of what when."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, Engine, Row, func, select

from mien.emotions import EMOTIONS
from mien.errors import UsageError

from .database import reading
from .schema import QUARTER_MS, SCALE, device, observation
from .values import milliseconds

GROUPS = ("day", "hour", "device", "emotion")
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which part of the log."""

    devices: Sequence[str] = ()
    """Only these, if any."""
    emotions: Sequence[str] = ()
    """Only these, if any."""
    begin: datetime | None = None
    end: datetime | None = None
    """Up to but not with this moment."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """The question as SQL over observation joined with device."""
        conditions: list[ColumnElement[bool]] = []
        if self.devices:
            conditions.append(device.c.name.in_(self.devices))
        if self.emotions:
            conditions.append(observation.c.emotion.in_([EMOTIONS.index(name) for name in self.emotions]))  # type: ignore[arg-type]
        if self.begin:
            conditions.append(observation.c.at_ms >= milliseconds(self.begin))
        if self.end:
            conditions.append(observation.c.at_ms < milliseconds(self.end))
        return conditions


def list_observations(engine: Engine, question: Question, *, limit: int, zone: tzinfo | None) -> list[dict[str, Any]]:
    """The newest observations, at most `limit`, oldest first: time, device, emotion, confidence, track, frames."""
    wanted = (
        select(
            observation.c.at_ms,
            device.c.name.label("device"),
            observation.c.emotion,
            observation.c.confidence,
            observation.c.track,
            observation.c.frames,
        )
        .join(device, device.c.key == observation.c.device)
        .where(*question.conditions())
        .order_by(observation.c.at_ms.desc(), observation.c.key.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        newest = connection.execute(wanted).all()
    return [
        {
            "at": _moment(row.at_ms, zone).isoformat(timespec="milliseconds"),
            "device": row.device,
            "emotion": EMOTIONS[row.emotion],
            "confidence": row.confidence / SCALE,
            "track": row.track,
            "frames": row.frames,
        }
        for row in reversed(newest)
    ]


def count_observations(
    engine: Engine, question: Question, *, by: Sequence[str], zone: tzinfo | None
) -> list[dict[str, Any]]:
    """How many observations in each group, and their mean confidence; groups in their order, emotions by count.

    `by` takes any of GROUPS. Hours and days are those of `zone`, or of this machine.
    """
    totals: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for row in _quarters(engine, question):
        key = tuple(_group(name, row, zone) for name in by)
        totals[key][0] += row.observations
        totals[key][1] += row.confidence
    answer = [
        {**dict(zip(by, key, strict=True)), "observations": count, "mean_confidence": round(total / count / SCALE, 4)}
        for key, (count, total) in totals.items()
    ]
    others = [name for name in by if name != "emotion"]
    return sorted(answer, key=lambda row: (*(row[name] for name in others), -row["observations"], *row.values()))


def _quarters(engine: Engine, question: Question) -> Iterator[Row[Any]]:
    quarter = observation.c.at_ms // QUARTER_MS
    wanted = (
        select(
            quarter.label("quarter"),
            device.c.name.label("device"),
            observation.c.emotion,
            func.count().label("observations"),
            func.sum(observation.c.confidence).label("confidence"),
        )
        .join(device, device.c.key == observation.c.device)
        .where(*question.conditions())
        .group_by("quarter", device.c.name, observation.c.emotion)
    )
    with reading(engine) as connection:
        yield from connection.execute(wanted)


def _group(name: str, row: Row[Any], zone: tzinfo | None) -> str:
    match name:
        case "emotion":
            return str(EMOTIONS[row.emotion])
        case "device":
            return str(row.device)
        case "day":
            return _moment(row.quarter * QUARTER_MS, zone).strftime("%Y-%m-%d")
        case _:
            return _moment(row.quarter * QUARTER_MS, zone).strftime("%Y-%m-%d %H:00%z")


def _moment(at_ms: int, zone: tzinfo | None) -> datetime:
    """A moment in `zone`, in this machine's own without one, summer time included."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)


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

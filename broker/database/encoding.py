"""How values are encoded in the tables, decoded from them, and shown in the views."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, SmallInteger, String
from sqlalchemy.types import TypeEngine

from mien.emotions import EMOTIONS

SCALE = 10_000
"""Scores, confidences and boxes are stored as integers in 1/10,000."""
OFFSET_STEP_MS = 15 * 60 * 1000
"""Offsets of time zones have only changed at quarters of an hour since 1973."""
EMOTION_CODES = {emotion: code for code, emotion in enumerate(EMOTIONS)}
"""An emotion's code is its index in EMOTIONS."""


def to_epoch_ms(at: datetime) -> int:
    """Milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def to_datetime(epoch_ms: int, zone: tzinfo | None) -> datetime:
    """A time in `zone`, or in this machine's time zone, daylight saving time included.

    The offset is fixed, because Python compares datetimes of one zone by their wall time: the two hours from 2 o'clock
    in autumn would be equal.
    """
    local = datetime.fromtimestamp(epoch_ms / 1000, zone or UTC).astimezone(zone)
    return local.replace(tzinfo=timezone(local.utcoffset() or timedelta()))


def _to_datetimes(stored: Sequence[int], zone: tzinfo | None) -> list[datetime]:
    """The same for many times, which are near each other: finding the offset takes longer than all the rest."""
    offsets = {
        quarter: to_datetime(quarter * OFFSET_STEP_MS, zone).tzinfo
        for quarter in {epoch_ms // OFFSET_STEP_MS for epoch_ms in stored}
    }
    return [datetime.fromtimestamp(epoch_ms / 1000, offsets[epoch_ms // OFFSET_STEP_MS]) for epoch_ms in stored]


def to_fixed_point(fraction: float) -> int:
    """A score, a confidence or a side of a box, in units of 1/SCALE."""
    return round(fraction * SCALE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How one kind of values is stored. Its functions convert whole columns: a call for each value would be slow."""

    sql_type: TypeEngine[Any]
    encode: Callable[[Iterable[Any]], Sequence[Any]]
    """The stored values; of types that both drivers accept unconverted: integers, text, bytes."""
    decode: Callable[[Sequence[Any], tzinfo | None], Sequence[Any]]
    """The values of stored ones; times in a time zone, or in this machine's."""
    sqlite: str = "{stored}"
    """The value as a view shows it: SQL with the expression of the stored value."""
    postgresql: str = "{stored}"
    check: str = ""
    """A condition in SQL that stored values satisfy, after the column's name."""
    unit: str = ""
    """What a stored value means, if it is not the value itself."""

    def view_expression(self, dialect: str, stored: str) -> str:
        """The value as a view shows it, for `sqlite` or `postgresql`."""
        return (self.sqlite if dialect == "sqlite" else self.postgresql).format(stored=stored)


def text_encoding(max_length: int) -> Encoding:
    """Text as it is."""
    return _unchanged(String(max_length))


def _unchanged(sql_type: TypeEngine[Any]) -> Encoding:
    return Encoding(sql_type=sql_type, encode=list, decode=lambda stored, _zone: stored)


def _encode_times(times: Iterable[datetime]) -> list[int]:
    return [round(at.timestamp() * 1000) for at in times]


def _encode_fractions(fractions: Iterable[float]) -> list[int]:
    return [round(fraction * SCALE) for fraction in fractions]


def _decode_uuids(stored: Sequence[bytes], _zone: tzinfo | None) -> list[str]:
    distinct = set(stored)
    if len(distinct) == len(stored):
        return [_to_uuid_text(value.hex()) for value in stored]
    texts = {value: _to_uuid_text(value.hex()) for value in distinct}  # a page has few captures and outboxes
    return list(map(texts.__getitem__, stored))


def _to_uuid_text(digits: str) -> str:
    """Three times as fast as `str(UUID(...))`."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _sqlite_uuid() -> str:
    parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)]
    return " || '-' || ".join(f"substr(lower(hex({{stored}})), {start}, {length})" for start, length in parts)


def _emotion_cases() -> str:
    cases = " ".join(f"WHEN {code} THEN '{emotion}'" for code, emotion in enumerate(EMOTIONS))
    return f"CASE {{stored}} {cases} END"


INTEGER = _unchanged(Integer())
LARGE_INTEGER = _unchanged(BigInteger())
TIME = Encoding(
    sql_type=BigInteger(),
    encode=_encode_times,
    decode=_to_datetimes,
    sqlite="strftime('%Y-%m-%dT%H:%M:%fZ', {stored} / 1000.0, 'unixepoch')",
    postgresql="""to_char(to_timestamp({stored} / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
    unit="milliseconds since 1970",
)
FRACTION = Encoding(
    sql_type=SmallInteger(),
    encode=_encode_fractions,
    decode=lambda stored, _zone: [value / SCALE for value in stored],
    sqlite=f"CAST({{stored}} AS DOUBLE PRECISION) / {SCALE}",
    postgresql=f"CAST({{stored}} AS DOUBLE PRECISION) / {SCALE}",
    unit=f"in 1/{SCALE}",
)
EMOTION = Encoding(
    sql_type=SmallInteger(),
    encode=lambda emotions: [EMOTION_CODES[emotion] for emotion in emotions],
    decode=lambda stored, _zone: list(map(EMOTIONS.__getitem__, stored)),
    sqlite=_emotion_cases(),
    postgresql=_emotion_cases(),
    check=f"BETWEEN 0 AND {len(EMOTIONS) - 1}",
    unit="0 to 6, in FER-2013's order",
)
CLOCK = Encoding(
    sql_type=SmallInteger(),
    encode=lambda states: [int(state == "synced") for state in states],
    decode=lambda stored, _zone: ["synced" if value else "unsynced" for value in stored],
    sqlite="CASE {stored} WHEN 1 THEN 'synced' ELSE 'unsynced' END",
    postgresql="CASE {stored} WHEN 1 THEN 'synced' ELSE 'unsynced' END",
    unit="1 if synced, else 0",
)
UUID_BYTES = Encoding(
    sql_type=LargeBinary(16),
    encode=lambda uuids: [uuid.bytes for uuid in uuids],
    decode=_decode_uuids,
    sqlite=_sqlite_uuid(),
    postgresql="encode({stored}, 'hex')::uuid::text",
    unit="16 bytes",
)

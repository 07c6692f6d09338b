"""A filter as SQL conditions, its names resolved to the keys of the log."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, select

from mien.broker.database.encoding import EMOTION_CODES, to_fixed_point
from mien.broker.database.schema import capture, device, model, observation
from mien.errors import UsageError

from .filters import Filter


@dataclass(frozen=True, slots=True)
class ResolvedFilter:
    """A filter without its time range."""

    devices: list[int]
    """Keys; all devices if empty."""
    emotions: list[int]
    """Codes; all emotions if empty."""
    conditions: list[ColumnElement[bool]]
    """Further conditions on observation."""

    def device_conditions(self, table: Table) -> list[ColumnElement[bool]]:
        """The devices as conditions on observation or rollup."""
        return _is_in(table.c.device, self.devices)

    def row_conditions(self) -> list[ColumnElement[bool]]:
        """The whole filter as conditions on observation."""
        return [
            *self.device_conditions(observation),
            *_is_in(observation.c.emotion, self.emotions),
            *self.conditions,
        ]


def resolve_filter(connection: Connection, log_filter: Filter) -> ResolvedFilter:
    """Look up the names of a filter in the log. UsageError if one is missing, with those that exist."""
    conditions: list[ColumnElement[bool]] = []
    if log_filter.min_confidence:
        conditions.append(observation.c.confidence >= to_fixed_point(log_filter.min_confidence))
    if log_filter.capture is not None:
        key = connection.scalar(select(capture.c.key).where(capture.c.name == log_filter.capture.bytes))
        if key is None:
            hint = "copy one from the column capture of emotion_log"
            raise UsageError(f"the log has no capture {log_filter.capture}: {hint}", field="capture")
        conditions.append(observation.c.capture == key)
    if log_filter.model is not None:
        conditions.append(observation.c.model == _find_key(connection, model, log_filter.model, "model"))
    return ResolvedFilter(
        devices=[_find_key(connection, device, name, "device") for name in dict.fromkeys(log_filter.devices)],
        emotions=[EMOTION_CODES[name] for name in log_filter.emotions],
        conditions=conditions,
    )


def time_conditions(start_ms: int | None, end_ms: int | None) -> list[ColumnElement[bool]]:
    """A time range as conditions on observation."""
    conditions: list[ColumnElement[bool]] = []
    if start_ms is not None:
        conditions.append(observation.c.at_ms >= start_ms)
    if end_ms is not None:
        conditions.append(observation.c.at_ms < end_ms)
    return conditions


def _is_in(column: Column[Any], keys: list[int]) -> list[ColumnElement[bool]]:
    if not keys:
        return []
    return [column == keys[0] if len(keys) == 1 else column.in_(keys)]


def _find_key(connection: Connection, table: Table, name: str, field: str) -> int:
    keys = {row.name: row.key for row in connection.execute(select(table).order_by(table.c.name))}
    if name not in keys:
        hint = f"choose from {', '.join(keys)}" if keys else "nothing has been stored yet"
        raise UsageError(f"the log has no {field} {name!r}: {hint}", field=field)
    return int(keys[name])

"""A question as SQL: names become the numbers that stand in the tables."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, select

from mien.errors import UsageError

from .question import Question
from .schema import SCALE, capture, device, model, observation
from .values import NUMBERS


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What of the log a question leaves."""

    devices: list[int]
    """Keys; of all devices if there are none."""
    emotions: list[int]
    """Numbers; of all emotions if there are none."""
    others: list[ColumnElement[bool]]
    """What else observations must be; nothing of their time."""

    def devices_of(self, table: Table) -> list[ColumnElement[bool]]:
        """The devices as SQL, over observation or rollup."""
        return _among(table.c.device, self.devices)

    def of_rows(self) -> list[ColumnElement[bool]]:
        """All of it as SQL over observation."""
        return [*self.devices_of(observation), *_among(observation.c.emotion, self.emotions), *self.others]


def narrow(connection: Connection, question: Question) -> Narrowed:
    """Find the names of a question in the log. UsageError if one is not there, with those that are."""
    others: list[ColumnElement[bool]] = []
    if question.least_confidence:
        others.append(observation.c.confidence >= round(question.least_confidence * SCALE))
    if question.capture is not None:
        key = connection.scalar(select(capture.c.key).where(capture.c.name == question.capture.bytes))
        if key is None:
            raise UsageError(f"there is no capture {question.capture} in the log", field="capture")
        others.append(observation.c.capture == key)
    if question.model is not None:
        others.append(observation.c.model == _key(connection, model, question.model, "model"))
    return Narrowed(
        devices=[_key(connection, device, name, "device") for name in dict.fromkeys(question.devices)],
        emotions=[NUMBERS[name] for name in question.emotions],
        others=others,
    )


def within(begin_ms: int | None, end_ms: int | None) -> list[ColumnElement[bool]]:
    """A span of time as SQL over observation."""
    conditions: list[ColumnElement[bool]] = []
    if begin_ms is not None:
        conditions.append(observation.c.at_ms >= begin_ms)
    if end_ms is not None:
        conditions.append(observation.c.at_ms < end_ms)
    return conditions


def _among(column: Column[Any], keys: list[int]) -> list[ColumnElement[bool]]:
    if not keys:
        return []
    return [column == keys[0] if len(keys) == 1 else column.in_(keys)]


def _key(connection: Connection, table: Table, name: str, word: str) -> int:
    known = {row.name: row.key for row in connection.execute(select(table).order_by(table.c.name))}
    if name not in known:
        there = f"it knows {', '.join(known)}" if known else f"no {word} has sent anything yet"
        raise UsageError(f"there is no {word} {name!r} in the log: {there}", field=word)
    return int(known[name])

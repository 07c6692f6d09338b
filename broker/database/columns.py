"""The registry of an observation's columns: the tables, the view, listings, exports and the HTTP API all come from it.

To add a column, add its field here, its field in `mien.messages.observation`, and its migration.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, tzinfo
from operator import attrgetter, itemgetter
from typing import Annotated, Any, Literal

from msgspec import Meta

from mien.broker.row import ColumnRows, Row, column_annotations, column_types
from mien.emotions import Emotion
from mien.messages.observation import Observation, UnitInterval
from mien.settings.struct_fields import field_docstrings

from .encoding import (
    CLOCK,
    EMOTION,
    FRACTION,
    INTEGER,
    LARGE_INTEGER,
    TIME,
    UUID_BYTES,
    Encoding,
    text_encoding,
)

PositiveInt = Annotated[int, Meta(ge=1)]
UuidText = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is stored, filtered and displayed; annotates its field of `ObservationRow`."""

    encoding: Encoding
    _: KW_ONLY
    name: str = ""
    """The field's name, under which all readers of the log know the column."""
    value_type: type = object
    """The Python type of its values."""
    stored_as: str = ""
    """Its name in the table `observation`; by default `name`."""
    is_lookup: bool = False
    """Whether the table refers to a lookup table, named as the column, that maps the encoded values to short keys."""
    is_unique: bool = False
    source: str | None = ""
    """Where the value is in the message: `scores.angry`, `box.0`; by default `name`. None: the collector adds it."""
    in_short_table: bool = False
    """Whether it is one of the columns that fit on a terminal. Numbers are aligned right, with two decimals at most."""
    filters: tuple[str, ...] = ()
    """The options of `mien.broker.query.filters.FilterOptions` that select by it."""
    getters: tuple[Callable[[Any], Any], ...] = ()
    """The steps from a message to the value."""

    def encode(self, observations: Iterable[Observation]) -> Sequence[Any]:
        """The encoded values of a column that is in the message."""
        values: Iterable[Any] = observations
        for getter in self.getters:
            values = map(getter, values)
        return self.encoding.encode(values)


class ObservationRow(Row, frozen=True):
    """An observation as it is listed and exported: what one tracked face showed over a reporting interval."""

    at: Annotated[
        datetime,
        Column(TIME, stored_as="at_ms", in_short_table=True, filters=("since", "start", "end")),
    ]
    """End of the reporting interval, in whole milliseconds."""
    device: Annotated[str, Column(text_encoding(32), is_lookup=True, in_short_table=True, filters=("devices",))]
    """Name of the device that saw the face."""
    emotion: Annotated[Emotion, Column(EMOTION, in_short_table=True, filters=("emotions",))]
    """The emotion with the highest score: the label that an observer would give to the face."""
    confidence: Annotated[UnitInterval, Column(FRACTION, in_short_table=True, filters=("min_confidence",))]
    """The score of `emotion`."""
    angry: Annotated[UnitInterval, Column(FRACTION, source="scores.angry")]
    """Score of the emotion angry, from 0 to 1."""
    disgust: Annotated[UnitInterval, Column(FRACTION, source="scores.disgust")]
    """Score of the emotion disgust."""
    fear: Annotated[UnitInterval, Column(FRACTION, source="scores.fear")]
    """Score of the emotion fear."""
    happy: Annotated[UnitInterval, Column(FRACTION, source="scores.happy")]
    """Score of the emotion happy."""
    sad: Annotated[UnitInterval, Column(FRACTION, source="scores.sad")]
    """Score of the emotion sad."""
    surprise: Annotated[UnitInterval, Column(FRACTION, source="scores.surprise")]
    """Score of the emotion surprise."""
    neutral: Annotated[UnitInterval, Column(FRACTION, source="scores.neutral")]
    """Score of the emotion neutral."""
    track: Annotated[PositiveInt, Column(INTEGER, in_short_table=True)]
    """Number of the face within the capture; it does not identify a person."""
    frames: Annotated[PositiveInt, Column(INTEGER, in_short_table=True)]
    """Number of frames that the scores were averaged over."""
    box_left: Annotated[UnitInterval, Column(FRACTION, source="box.0")]
    """Left edge of the face in the last frame, as a fraction of the frame's width."""
    box_top: Annotated[UnitInterval, Column(FRACTION, source="box.1")]
    """Top edge of the face, as a fraction of the frame's height."""
    box_width: Annotated[UnitInterval, Column(FRACTION, source="box.2")]
    """Width of the face, as a fraction of the frame's width."""
    box_height: Annotated[UnitInterval, Column(FRACTION, source="box.3")]
    """Height of the face, as a fraction of the frame's height."""
    latency_ms: Annotated[int, Meta(ge=0), Column(INTEGER)]
    """Milliseconds from the arrival of the last frame to the end of its classification."""
    clock: Annotated[Literal["synced", "unsynced"], Column(CLOCK, stored_as="synced")]
    """Whether the device's clock was synchronized when `at` was read."""
    model: Annotated[str, Column(text_encoding(12), is_lookup=True, filters=("model",))]
    """First 12 hexadecimal digits of the SHA-256 of the model's weights."""
    agent: Annotated[str, Column(text_encoding(32), is_lookup=True)]
    """Version of the agent on the device."""
    id: Annotated[UuidText, Column(UUID_BYTES, is_unique=True)]
    """The observation's UUID, version 7; it alone decides what is a duplicate."""
    capture: Annotated[UuidText, Column(UUID_BYTES, is_lookup=True, filters=("capture",))]
    """UUID of the capture, from the sensor's wake-up to the end of the motion."""
    outbox: Annotated[UuidText, Column(UUID_BYTES, is_lookup=True)]
    """UUID of the device's outbox, which assigned `seq`."""
    seq: Annotated[PositiveInt, Column(LARGE_INTEGER)]
    """Sequence number in the outbox, counted without gaps."""
    received: Annotated[datetime, Column(TIME, stored_as="received_ms", source=None)]
    """When the collector received it, in whole milliseconds."""


def _resolve(name: str, column: Column, value_type: type) -> Column:
    """A column with its name and everything derived from it."""
    source = column.source if column.source != "" else name
    steps = [] if source is None else source.split(".")
    getters = tuple(itemgetter(int(step)) if step.isdecimal() else attrgetter(step) for step in steps)
    return replace(
        column, name=name, value_type=value_type, stored_as=column.stored_as or name, source=source, getters=getters
    )


COLUMNS: tuple[Column, ...] = tuple(
    _resolve(name, annotation.__metadata__[-1], column_types(ObservationRow)[name])
    for name, annotation in column_annotations(ObservationRow).items()
)
"""All columns, in the order in which they are stored, listed and exported."""
LOOKUP_COLUMNS = tuple(column for column in COLUMNS if column.is_lookup)
SHORT_TABLE = tuple(column.name for column in COLUMNS if column.in_short_table)
"""The names of the columns that fit on a terminal."""


def decode_rows(columns: Sequence[Sequence[Any]], zone: tzinfo | None) -> ColumnRows[ObservationRow]:
    """Rows from the stored values of each column, in the order of COLUMNS, with names in place of lookup keys."""
    stored = zip(COLUMNS, columns, strict=True)
    return ColumnRows(ObservationRow, {column.name: column.encoding.decode(values, zone) for column, values in stored})


def to_message_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the message, as JSON has them, from those of a row's columns that are there: to import exports."""
    fields: dict[str, Any] = {}
    for column in COLUMNS:
        if column.source is None or column.name not in row:
            continue
        name, _, part = column.source.partition(".")
        if not part:
            fields[name] = row[column.name]
        elif part.isdecimal():
            fields.setdefault(name, []).append(row[column.name])
        else:
            fields.setdefault(name, {})[part] = row[column.name]
    return fields


def format_columns() -> str:
    """The columns as a Markdown table, for the documentation."""
    descriptions = field_docstrings(ObservationRow)
    lines = ["| column | type | what it is | filter | stored as |", "|---|---|---|---|---|"]
    for column in COLUMNS:
        filters = ", ".join(f"`{name}`" for name in column.filters)
        cells = [
            f"`{column.name}`",
            column.value_type.__name__,
            descriptions[column.name],
            filters,
            _describe_storage(column),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _describe_storage(column: Column) -> str:
    target = f"key of the table `{column.name}`" if column.is_lookup else f"`{column.stored_as}`"
    details = [str(column.encoding.sql_type), column.encoding.unit]
    return f"{target}: {', '.join(filter(None, details))}"

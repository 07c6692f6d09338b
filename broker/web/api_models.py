"""Parameters and responses of the HTTP API, as OpenAPI describes them."""

import types
import typing
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field, create_model

from mien.broker.query import CollectorRow, CountRow, DeviceRow, DriftRow, ObservationRow
from mien.broker.query.filters import FilterOptions
from mien.broker.row import Row, column_annotations
from mien.emotions import EMOTIONS, Emotion

MAX_ROWS = 1000
Fraction = Annotated[float, Field(ge=0, le=1)]
EmotionName = StrEnum("EmotionName", list(EMOTIONS))  # type: ignore[misc]


class TimezoneParameters(BaseModel):
    """The time zone."""

    model_config = ConfigDict(extra="forbid")

    timezone: str | None = Field(None, description="Time zone of times, days and hours.", examples=["Europe/Berlin"])


class FilterParameters(TimezoneParameters):
    """Which observations to select."""

    device: list[str] = Field([], description="Only these devices; all if empty.", examples=[["hallway"]])
    emotion: list[str] = Field([], description="Only these emotions; all if empty.", examples=[["happy"]])
    since: str | None = Field(None, description="Only the last 90s, 15m, 24h, 7d or 2w.", examples=["24h"])
    start: str | None = Field(None, alias="from", description="From this time on.", examples=["2026-11-22T14:30"])
    to: str | None = Field(None, description="Up to, but not including, this time.", examples=["2026-11-23"])
    min_confidence: Fraction = Field(0.0, description="Only observations with at least this confidence.")
    capture: str | None = Field(None, description="Only observations from this capture, by its id.")
    model: str | None = Field(None, description="Only observations by this model.")

    def filter_options(self) -> FilterOptions:
        return {
            "devices": self.device,
            "emotions": self.emotion,
            "since": self.since,
            "start": self.start,
            "end": self.to,
            "min_confidence": self.min_confidence,
            "capture": self.capture,
            "model": self.model,
        }


class ObservationsParameters(FilterParameters):
    """Which observations to list, and how many."""

    limit: int = Field(100, ge=1, le=MAX_ROWS, description="At most this many, the newest.")
    after: str | None = Field(None, description="Continue here: `next` of the previous page.")
    format: Literal["json", "csv"] = "json"


class CountsParameters(FilterParameters):
    """Which observations to count, and by what."""

    by: str = Field(
        "hour,emotion",
        description="minute, hour, day, weekday, emotion, device, model, or several of these, separated by commas.",
    )
    format: Literal["json", "csv"] = "json"


def response_model(name: str, row_type: type[Row]) -> type[BaseModel]:
    """The model of a kind of row: the same fields, with the same types and limits."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(row_type)}
    fields = {
        column: (_to_pydantic(annotation), ... if defaults[column] is msgspec.NODEFAULT else defaults[column])
        for column, annotation in column_annotations(row_type).items()
    }
    return create_model(name, __doc__=row_type.__doc__, **fields)  # type: ignore[call-overload, no-any-return]


def _to_pydantic(annotation: Any) -> Any:
    """A row's annotation as Pydantic understands it."""
    if annotation == Emotion:
        return EmotionName
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        value_type, *metadata = arguments
        limits = [_to_field(item) for item in metadata if isinstance(item, Meta)]
        return Annotated[_to_pydantic(value_type), *limits] if limits else _to_pydantic(value_type)
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(map(_to_pydantic, arguments))]  # noqa: UP007 (of a tuple)
    return annotation


def _to_field(meta: Meta) -> Any:
    return Field(ge=meta.ge, le=meta.le, description=meta.description, json_schema_extra=meta.extra_json_schema)


Observation = response_model("Observation", ObservationRow)
GroupCount = response_model("GroupCount", CountRow)
Device = response_model("Device", DeviceRow)
Collector = response_model("Collector", CollectorRow)
DeviceDrift = response_model("DeviceDrift", DriftRow)


class Observations(BaseModel):
    """A page of observations, newest first."""

    observations: list[Observation]  # type: ignore[valid-type]
    next: str | None = Field(description="Where the next page starts; null if this is the last.")


class Counts(BaseModel):
    """Groups and their source."""

    counts: list[GroupCount]  # type: ignore[valid-type]
    source: str = Field(description="What the counts were computed from: quarter-hour counts or rows.")


class Devices(BaseModel):
    """All devices in the log."""

    devices: list[Device]  # type: ignore[valid-type]


class Collectors(BaseModel):
    """All collectors that have written to the log."""

    collectors: list[Collector]  # type: ignore[valid-type]


class Drift(BaseModel):
    """All devices that have observed anything within the last day."""

    devices: list[DeviceDrift]  # type: ignore[valid-type]


class Thresholds(BaseModel):
    """When predictions should be shown to people as uncertain; they are counted as their emotion all the same."""

    thresholds: dict[str, Fraction] = Field(
        description="The lowest confidence that is not uncertain, by model. Predictions of other models never are."
    )


class Problem(BaseModel):
    """An error, as in RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | None = Field(None, description="The invalid parameter, if one is.")

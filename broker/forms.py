"""What is asked and answered over HTTP, as OpenAPI describes it."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model

from mien.emotions import EMOTIONS

from .listing import BOX

MOST_ROWS = 1000
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
EmotionName = StrEnum("EmotionName", list(EMOTIONS))  # type: ignore[misc]


class Zoned(BaseModel):
    """Whose hours."""

    model_config = ConfigDict(extra="forbid")

    timezone: str | None = Field(None, description="Of times, days and hours.", examples=["Europe/Berlin"])


class Filters(Zoned):
    """Which part of the log."""

    device: list[str] = Field([], description="Only these devices, if any.", examples=[["hallway"]])
    emotion: list[str] = Field([], description="Only these emotions, if any.", examples=[["happy"]])
    since: str | None = Field(None, description="Only the last 90s, 15m, 24h, 7d or 2w.", examples=["24h"])
    begin: str | None = Field(None, alias="from", description="From this time on.", examples=["2026-11-22T14:30"])
    to: str | None = Field(None, description="Up to, but not with, this time.", examples=["2026-11-23"])
    confidence: Fraction = Field(0.0, description="Only observations at least so sure.")
    capture: str | None = Field(None, description="Only this wake of a device, by its id.")
    model: str | None = Field(None, description="Only this model's.")

    def asked(self) -> Mapping[str, Any]:
        """For `mien.broker.question.ask`."""
        return {
            "devices": self.device,
            "emotions": self.emotion,
            "since": self.since,
            "begin": self.begin,
            "end": self.to,
            "least_confidence": self.confidence,
            "capture": self.capture,
            "model": self.model,
        }


class ObservationsAsked(Filters):
    """Which observations, and how many."""

    limit: int = Field(100, ge=1, le=MOST_ROWS, description="At most so many, the newest.")
    after: str | None = Field(None, description="Go on from here: `next` of the page before.")
    format: Literal["json", "csv"] = "json"


class CountsAsked(Filters):
    """Which counts, in which groups."""

    by: str = Field(
        "hour,emotion", description="minute, hour, day, weekday, emotion, device, model, or some, with commas between."
    )
    format: Literal["json", "csv"] = "json"


class Observed(BaseModel):
    """What one tracked face showed over a reporting interval."""

    at: datetime
    device: str
    emotion: EmotionName
    confidence: Fraction
    track: Annotated[int, Field(ge=1)]
    frames: Annotated[int, Field(ge=1)]
    latency_ms: Count
    clock: Literal["synced", "unsynced"]
    model: str
    agent: str
    id: UUID
    capture: UUID
    outbox: UUID
    seq: Annotated[int, Field(ge=1)]
    received: datetime


fractions: dict[str, Any] = dict.fromkeys([*EMOTIONS, *BOX], (Fraction, ...))
Observation = create_model("Observation", __base__=Observed, **fractions)


class Observations(BaseModel):
    """A page of them, the newest first."""

    observations: list[Observation]  # type: ignore[valid-type]
    next: str | None = Field(description="Where the next page begins; null if this was the last.")


class Counted(BaseModel):
    """A group: those of its names that were asked for, and what was counted."""

    minute: datetime | None = None
    hour: datetime | None = None
    day: date | None = None
    weekday: str | None = None
    emotion: EmotionName | None = None
    device: str | None = None
    model: str | None = None
    observations: Count = Field(description="Tracked-face seconds at the default interval, not people.")
    share: Fraction
    mean_confidence: Fraction


class Counts(BaseModel):
    """Groups, and what answered."""

    counts: list[Counted]
    source: str = Field(description="Whether the counts kept answered, or the rows.")


class Device(BaseModel):
    """How a device is; null where it has not told."""

    device: str
    state: Literal["online", "stopped", "offline"] | None
    heard: datetime | None = Field(description="When it last said how it is.")
    last_at: datetime | None
    last_emotion: EmotionName | None
    last_confidence: Fraction | None
    missing: Count = Field(description="Numbers that nobody has answered and that do not wait.")
    moving: bool | None
    waiting: Count | None
    oldest_age_s: float | None
    refused: Count | None
    dropped: Count | None
    camera: str | None
    camera_error: str | None
    sensor: str | None
    clock: str | None
    temperature_celsius: float | None
    throttled: bool | None
    disk_free_bytes: Count | None
    agent: str | None
    model: str | None


class Devices(BaseModel):
    """All that the log knows."""

    devices: list[Device]


class Problem(BaseModel):
    """What is wrong, after RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | None = Field(None, description="The parameter that is wrong, where it is one.")

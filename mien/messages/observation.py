"""An observation: what a device reports about one face over a short interval."""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Literal, Self
from uuid import UUID

from msgspec import Meta, Struct

from mien.emotions import EMOTIONS, Emotion
from mien.messages.codec import MessageCodec
from mien.messages.envelope import Envelope
from mien.messages.text import ModelId, Version

UnitInterval = Annotated[float, Meta(ge=0.0, le=1.0)]

_all_scores: Callable[["Scores"], tuple[float, ...]] = attrgetter(*EMOTIONS)


class Scores(Struct, frozen=True, kw_only=True):
    """The scores of the seven emotions, from 0 to 1, rounded to 1/10,000."""

    angry: UnitInterval
    disgust: UnitInterval
    fear: UnitInterval
    happy: UnitInterval
    sad: UnitInterval
    surprise: UnitInterval
    neutral: UnitInterval

    @classmethod
    def of(cls, values: list[float]) -> Self:
        """Scores from seven numbers in the order of `mien.emotions.EMOTIONS`."""
        return cls(**{name: round(value, 4) for name, value in zip(EMOTIONS, values, strict=True)})

    def highest(self) -> tuple[Emotion, float]:
        """The emotion with the highest score, and that score; the first in EMOTIONS if several tie."""
        values = _all_scores(self)
        score = max(values)
        return EMOTIONS[values.index(score)], score


class Observation(Envelope, frozen=True, kw_only=True):
    """What one tracked face showed over a reporting interval, with the scores averaged over its frames."""

    kind: Literal["observation"] = "observation"
    capture: UUID
    """The capture, from the sensor's wake-up to the end of the motion, that it belongs to."""
    track: Annotated[int, Meta(ge=1, lt=2**31)]
    """Number of the face within the capture. It does not identify a person."""
    at: Annotated[datetime, Meta(tz=True)]
    """End of the interval, UTC, in whole milliseconds; in the years 2000 to 2199."""
    clock: Literal["synced", "unsynced"]
    """Whether the device's clock was synchronized when `at` was read."""
    emotion: Emotion
    confidence: UnitInterval
    """The score of `emotion`."""
    scores: Scores
    frames: Annotated[int, Meta(ge=1, lt=2**31)]
    """Number of frames that the scores were averaged over."""
    box: tuple[UnitInterval, UnitInterval, UnitInterval, UnitInterval]
    """Left, top, width and height of the face in the last frame, as fractions of the frame."""
    model: ModelId
    latency_ms: Annotated[int, Meta(ge=0, lt=2**31)]
    """From the arrival of the last frame to the end of its classification."""
    agent: Version
    """The agent's version."""

    def __post_init__(self) -> None:
        if not 2000 <= self.at.year < 2200:
            raise ValueError(f"at is in the year {self.at.year}")
        score = getattr(self.scores, self.emotion)
        if score != max(_all_scores(self.scores)):
            raise ValueError(f"emotion {self.emotion} does not have the highest score")
        if self.confidence != score:
            raise ValueError(f"confidence is not the score of {self.emotion}")


_codec = MessageCodec(Observation)
encode_observation = _codec.encode
decode_observation = _codec.decode

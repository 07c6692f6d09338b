"""What a device tells the collector about one face: the observation and its wire form (JSON)."""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Literal, Self
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from mien.emotions import EMOTIONS, Emotion
from mien.envelope import Envelope
from mien.wire import Decoder

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]

_all_scores: Callable[["Scores"], tuple[float, ...]] = attrgetter(*EMOTIONS)


class Scores(Struct, frozen=True, kw_only=True):
    """The seven scores, as fractions of one, rounded to 1/10,000."""

    angry: Fraction
    disgust: Fraction
    fear: Fraction
    happy: Fraction
    sad: Fraction
    surprise: Fraction
    neutral: Fraction

    @classmethod
    def of(cls, values: list[float]) -> Self:
        """Scores from seven numbers in the order of `mien.emotions.EMOTIONS`."""
        return cls(**{name: round(value, 4) for name, value in zip(EMOTIONS, values, strict=True)})

    def highest(self) -> tuple[Emotion, float]:
        """The emotion with the highest score, and that score; the first in EMOTIONS where two are equal."""
        values = _all_scores(self)
        score = max(values)
        return EMOTIONS[values.index(score)], score


class Observation(Envelope, frozen=True, kw_only=True):
    """What one tracked face showed over a reporting interval, its frames' scores averaged."""

    kind: Literal["observation"] = "observation"
    capture: UUID
    """The wake during which it was seen."""
    track: Annotated[int, Meta(ge=1, lt=2**31)]
    """Number of the face within the capture. It says nothing about who it is."""
    at: Annotated[datetime, Meta(tz=True)]
    """The end of the interval, UTC, in whole milliseconds; in the years 2000 to 2199."""
    clock: Literal["synced", "unsynced"]
    """Whether the device's clock was synchronised when `at` was read."""
    emotion: Emotion
    confidence: Fraction
    """The score of `emotion`."""
    scores: Scores
    frames: Annotated[int, Meta(ge=1, lt=2**31)]
    """How many frames the scores average."""
    box: tuple[Fraction, Fraction, Fraction, Fraction]
    """Left, top, width and height of the face in the last frame, as fractions of the frame."""
    model: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}$(?!\n)")]
    """First 12 hexadecimal digits of the SHA-256 of the model's weights."""
    latency_ms: Annotated[int, Meta(ge=0, lt=2**31)]
    """From the last frame's arrival to the end of its classification."""
    agent: Annotated[str, Meta(max_length=32, pattern=r"^[!-~]*$(?!\n)")]
    """The agent's version."""

    def __post_init__(self) -> None:
        if not 2000 <= self.at.year < 2200:
            raise ValueError(f"at is in the year {self.at.year}")
        score = getattr(self.scores, self.emotion)
        if score != max(_all_scores(self.scores)):
            raise ValueError(f"emotion {self.emotion} has not the highest score")
        if self.confidence != score:
            raise ValueError(f"confidence is not the score of {self.emotion}")


_encoder = msgspec.json.Encoder()
_observation_decoder = Decoder(Observation)


def encode(observation: Observation) -> bytes:
    """The wire form of an observation."""
    return _encoder.encode(observation)


def decode_observation(payload: bytes) -> Observation:
    """The whole observation; unknown fields are ignored. msgspec.DecodeError where it breaks the contract."""
    return _observation_decoder.decode(payload)

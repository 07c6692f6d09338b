"""An observation that no outbox has numbered yet."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from uuid6 import uuid7

from mien.emotions import Emotion
from mien.messages.observation import Observation, Scores


class ObservationDraft(Struct, frozen=True, kw_only=True):
    """The fields of `mien.messages.observation.Observation` that do not come from the outbox."""

    device: str
    capture: UUID
    track: int
    at: datetime
    clock: Literal["synced", "unsynced"]
    emotion: Emotion
    confidence: float
    scores: Scores
    frames: int
    box: tuple[float, float, float, float]
    model: str
    latency_ms: int
    agent: str

    def to_observation(self, *, outbox: UUID, seq: int) -> Observation:
        """The observation with a new `id`; ValueError if its fields contradict each other."""
        return Observation(id=uuid7(), outbox=outbox, seq=seq, **msgspec.structs.asdict(self))

"""Observations as devices make them: faces that move and whose scores change, in one capture after another."""

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mien.edge.delivery.draft import ObservationDraft
from mien.emotions import EMOTIONS
from mien.messages.observation import Scores

CAPTURE_ROWS = 30
MEAN_PAUSE_S = 120.0
"""Between two captures."""
FRAME_WIDTH, FRAME_HEIGHT = 640, 480


def make_drafts(device: str, count: int, source: random.Random) -> Iterator[ObservationDraft]:
    """One face a second in the past, a new one with a new capture every thirty; its scores drift and add up to one."""
    at = datetime.now(UTC) - timedelta(seconds=2 * count * (1 + MEAN_PAUSE_S / CAPTURE_ROWS))
    for number in range(count):
        at += timedelta(milliseconds=source.randint(950, 1050))
        if number % CAPTURE_ROWS == 0:
            at += timedelta(milliseconds=round(source.expovariate(1 / MEAN_PAUSE_S) * 1000))
            capture = _uuid7_at(at, source)
            logits = [source.gauss(0, 1.5) for _ in EMOTIONS]
            left, top, side = source.randrange(400), source.randrange(250), source.randrange(60, 200)
        logits = [logit + source.gauss(0, 0.5) for logit in logits]
        left, top = max(0, left + source.randint(-4, 4)), max(0, top + source.randint(-4, 4))
        exponentials = [math.exp(logit) for logit in logits]
        scores = Scores.of([exponential / sum(exponentials) for exponential in exponentials])
        emotion, confidence = scores.highest()
        yield ObservationDraft(
            device=device,
            capture=capture,
            track=1,
            at=at.replace(microsecond=at.microsecond // 1000 * 1000),
            clock="synced",
            emotion=emotion,
            confidence=confidence,
            scores=scores,
            frames=source.randint(7, 10),
            box=(
                round(left / FRAME_WIDTH, 4),
                round(top / FRAME_HEIGHT, 4),
                round(side / FRAME_WIDTH, 4),
                round(side / FRAME_HEIGHT, 4),
            ),
            model="0123456789ab",
            latency_ms=source.randint(20, 60),
            agent="0.1.0",
        )


def _uuid7_at(at: datetime, source: random.Random) -> UUID:
    """A version 7 UUID (RFC 9562) of a time in the past."""
    epoch_ms = round(at.timestamp() * 1000)
    return UUID(int=epoch_ms << 80 | 7 << 76 | source.getrandbits(12) << 64 | 2 << 62 | source.getrandbits(62))

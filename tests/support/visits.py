"""A log of three days in which two devices see visitors: the same in every run."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from samples import make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.emotions import EMOTIONS, Emotion
from mien.messages.observation import Observation, Scores, encode_observation

EMOTIONS_BY_DEVICE: dict[str, tuple[Emotion, ...]] = {
    "hallway": ("happy", "neutral", "surprise"),
    "kitchen": ("neutral", "happy"),
}


def record_visits(database: Path) -> int:
    """Write the log; the number of its rows."""
    engine = open_for_writing(database)
    store = Store(engine)
    rows = 0
    for device, emotions in EMOTIONS_BY_DEVICE.items():
        messages = [
            decode_message(
                topic="t",
                payload=encode_observation(observation),
                received_ms=round(observation.at.timestamp() * 1000),
                device=device,
            )
            for observation in observe_visits(device, emotions)
        ]
        store.record(messages)
        rows += len(messages)
    engine.dispose()
    return rows


def observe_visits(device: str, emotions: tuple[Emotion, ...]) -> Iterator[Observation]:
    """Three days with three visits each, most observations of a visit with the same emotion."""
    generator = random.Random(device)
    outbox = UUID(int=generator.getrandbits(128), version=4)
    numbers = iter(range(1, 100_000))
    for day in (20, 21, 22):
        for hour in (8, 12, 18):
            main_emotion = generator.choice(emotions)
            start = datetime(2026, 11, day, hour, generator.randrange(60), tzinfo=UTC)
            for second in range(generator.randint(5, 60)):
                emotion = main_emotion if generator.random() < 0.8 else generator.choice(EMOTIONS)
                confidence = round(generator.uniform(0.4, 0.95), 4)
                rest = round((1 - confidence) / 6, 4)
                scores = Scores(**(dict.fromkeys(EMOTIONS, rest) | {emotion: confidence}))
                at = start + timedelta(seconds=second)
                yield make_observation(
                    outbox, next(numbers), at=at, device=device, emotion=emotion, confidence=confidence, scores=scores
                )

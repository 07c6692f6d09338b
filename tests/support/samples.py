"""Observations and training data without faces, as the tests need them."""

import csv
import io
from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np
from uuid6 import uuid7

from mien.health import Health, OutboxHealth
from mien.observation import Observation, Scores

OUTBOX = uuid4()


def make_observation(outbox: UUID = OUTBOX, seq: int = 1, **changes: object) -> Observation:
    """A valid observation, changed where the test says."""
    fields: dict[str, object] = {
        "id": uuid7(),
        "device": "hallway",
        "outbox": outbox,
        "seq": seq,
        "capture": uuid7(),
        "track": 1,
        "at": datetime(2026, 11, 22, 14, 30, 0, 123000, tzinfo=UTC),
        "clock": "synced",
        "emotion": "happy",
        "confidence": 0.7,
        "scores": Scores(angry=0.05, disgust=0.05, fear=0.05, happy=0.7, sad=0.05, surprise=0.05, neutral=0.05),
        "frames": 9,
        "box": (0.25, 0.25, 0.5, 0.5),
        "model": "0123456789ab",
        "latency_ms": 40,
        "agent": "0.1.0",
    }
    return Observation(**(fields | changes))  # type: ignore[arg-type]


def make_health(outbox: UUID = OUTBOX, **changes: object) -> Health:
    """A device that has had an answer for five of eight numbers, changed where the test says."""
    fields: dict[str, object] = {
        "id": outbox,
        "first_seq": 1,
        "oldest_seq": 6,
        "next_seq": 9,
        "waiting": 3,
        "oldest_age_s": 1.5,
        "refused": 0,
        "dropped": 0,
        "not_kept": 0,
        "set_aside": 0,
    }
    return Health(outbox=OutboxHealth(**(fields | changes)))  # type: ignore[arg-type]


def fer2013_csv(
    training: int = 140, public_test: int = 35, header: str = "emotion,pixels,Usage", kinds: int | None = None
) -> str:
    """FER-2013's form with patterns in place of faces: each class has stripes of its own direction and width.

    No two pictures are equal, or only `kinds` different ones are made and repeated.
    """
    random = np.random.default_rng(7)
    rows, columns = np.mgrid[0:48, 0:48]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    text.write(header + "\n")
    made: list[str] = []
    for number in range(training + public_test):
        label = number % 7
        usage = "Training" if number < training else "PublicTest"
        if kinds and number >= kinds:
            writer.writerow([label, made[number % kinds], usage])
            continue
        phase = rows * np.cos(label) + columns * np.sin(label)
        stripes = 128 + 80 * np.sin(phase * (0.3 + 0.15 * label)) + random.normal(0, 12, (48, 48))
        pixels = " ".join(map(str, np.clip(stripes, 0, 255).astype(int).ravel()))
        made.append(pixels)
        writer.writerow([label, pixels, usage])
    return text.getvalue()


def ferplus_csv(training: int = 140, public_test: int = 35) -> str:
    """FER+'s form for the rows of `fer2013_csv`: nine votes for the label, one for contempt."""
    columns = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Usage", "Image name", *columns])
    for number in range(training + public_test):
        votes = {names[number % 7]: 9, "contempt": 1}
        usage = "Training" if number < training else "PublicTest"
        writer.writerow([usage, f"fer{number:07}.png", *(votes.get(column, 0) for column in columns)])
    return text.getvalue()

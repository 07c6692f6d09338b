"""Sample messages, and synthetic training data without faces."""

import csv
import io
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import numpy as np
from uuid6 import uuid7

from mien.edge.delivery.draft import ObservationDraft
from mien.messages.health import Health, OutboxHealth
from mien.messages.observation import Observation, Scores

OUTBOX = uuid4()


def make_observation(outbox: UUID = OUTBOX, seq: int = 1, **changes: object) -> Observation:
    """A valid observation, with the test's changes."""
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


def make_draft(**changes: object) -> ObservationDraft:
    """The same observation before an outbox has numbered it, with the test's changes."""
    fields = msgspec.structs.asdict(make_observation()) | changes
    return ObservationDraft(**{name: fields[name] for name in ObservationDraft.__struct_fields__})


def make_health(outbox: UUID = OUTBOX, **changes: object) -> Health:
    """The health of a device with five of eight numbers acknowledged, with the test's changes."""
    fields: dict[str, object] = {
        "id": outbox,
        "first_seq": 1,
        "oldest_seq": 6,
        "next_seq": 9,
        "waiting": 3,
        "oldest_age_s": 1.5,
        "rejected": 0,
        "dropped": 0,
        "write_errors": 0,
        "corrupt_files": 0,
    }
    return Health(outbox=OutboxHealth(**(fields | changes)))  # type: ignore[arg-type]


def fer2013_csv(
    training: int = 140,
    public_test: int = 35,
    header: str = "emotion,pixels,Usage",
    distinct_images: int | None = None,
) -> str:
    """A CSV file in FER-2013's format with stripes instead of faces; their direction and width encode the class.

    All images differ, unless `distinct_images` limits how many are made and then repeated.
    """
    random = np.random.default_rng(7)
    rows, columns = np.mgrid[0:48, 0:48]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    file.write(header + "\n")
    images: list[str] = []
    for number in range(training + public_test):
        label = number % 7
        split = "Training" if number < training else "PublicTest"
        if distinct_images and number >= distinct_images:
            writer.writerow([label, images[number % distinct_images], split])
            continue
        phase = rows * np.cos(label) + columns * np.sin(label)
        stripes = 128 + 80 * np.sin(phase * (0.3 + 0.15 * label)) + random.normal(0, 12, (48, 48))
        pixels = " ".join(map(str, np.clip(stripes, 0, 255).astype(int).ravel()))
        images.append(pixels)
        writer.writerow([label, pixels, split])
    return file.getvalue()


def ferplus_csv(training: int = 140, public_test: int = 35) -> str:
    """A CSV file in FER+'s format for the rows of `fer2013_csv`: nine votes for the label, one for contempt."""
    columns = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["Usage", "Image name", *columns])
    for number in range(training + public_test):
        votes = {names[number % 7]: 9, "contempt": 1}
        split = "Training" if number < training else "PublicTest"
        writer.writerow([split, f"fer{number:07}.png", *(votes.get(column, 0) for column in columns)])
    return file.getvalue()

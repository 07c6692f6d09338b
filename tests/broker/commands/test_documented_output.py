"""docs/queries.md shows the real output of `mien query`, for a log that is created here."""

import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from samples import make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.emotions import EMOTIONS, Emotion
from mien.messages.observation import Observation, Scores, encode_observation

DOCUMENT = (Path(__file__).parents[3] / "docs" / "queries.md").read_text()
EMOTIONS_BY_DEVICE: dict[str, tuple[Emotion, ...]] = {
    "hallway": ("happy", "neutral", "surprise"),
    "kitchen": ("neutral", "happy"),
}


def documented_examples() -> list[tuple[str, str]]:
    """The document's commands and the output below each."""
    return re.findall(r"^\$ mien (query .*)\n((?:(?!\$|```).*\n)+)", DOCUMENT, re.MULTILINE)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    engine = open_for_writing(tmp_path / "mien.db")
    store = Store(engine)
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
    engine.dispose()
    return tmp_path


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


def test_the_document_has_examples() -> None:
    assert len(documented_examples()) >= 2


@pytest.mark.parametrize(("command", "output"), documented_examples())
def test_the_document_shows_the_real_output(log: Path, command: str, output: str) -> None:
    process = subprocess.run(
        [Path(sys.executable).parent / "mien", *shlex.split(command)],
        cwd=log,
        env=os.environ | {"COLUMNS": "100", "TZ": "UTC", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    lines = "".join(f"{line.rstrip()}\n" for line in (process.stdout + process.stderr).splitlines())
    assert lines == output, "paste the real output into docs/queries.md"

"""What the README shows of `mien query` is what it says, of a log that is made here."""

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

from mien.broker.arrival import decode_arrival
from mien.broker.database import open_for_writing
from mien.broker.store import Store
from mien.emotions import EMOTIONS, Emotion
from mien.observation import Observation, Scores, encode

README = (Path(__file__).parents[2] / "README.md").read_text()
MOODS: dict[str, tuple[Emotion, ...]] = {"hallway": ("happy", "neutral", "surprise"), "kitchen": ("neutral", "happy")}


def shown() -> list[tuple[str, str]]:
    """The README's commands with the text below each, where it was made from the log of three days."""
    section = README.split("## Ask the log")[1].split("\n## ")[0]
    return re.findall(r"^\$ mien (query .*)\n((?:(?!\$|```).*\n)+)", section, re.MULTILINE)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    engine = open_for_writing(tmp_path / "mien.db")
    store = Store(engine)
    for device, moods in MOODS.items():
        arrivals = [
            decode_arrival(topic="t", payload=encode(one), received_ms=round(one.at.timestamp() * 1000), device=device)
            for one in visits(device, moods)
        ]
        store.record(arrivals)
    engine.dispose()
    return tmp_path


def visits(device: str, moods: tuple[Emotion, ...]) -> Iterator[Observation]:
    chance = random.Random(device)
    outbox = UUID(int=chance.getrandbits(128), version=4)
    numbers = iter(range(1, 100_000))
    for day in (20, 21, 22):
        for hour in (8, 12, 18):
            mood = chance.choice(moods)
            begin = datetime(2026, 11, day, hour, chance.randrange(60), tzinfo=UTC)
            for second in range(chance.randint(5, 60)):
                emotion = mood if chance.random() < 0.8 else chance.choice(EMOTIONS)
                confidence = round(chance.uniform(0.4, 0.95), 4)
                rest = round((1 - confidence) / 6, 4)
                scores = Scores(**(dict.fromkeys(EMOTIONS, rest) | {emotion: confidence}))
                at = begin + timedelta(seconds=second)
                yield make_observation(
                    outbox, next(numbers), at=at, device=device, emotion=emotion, confidence=confidence, scores=scores
                )


def test_the_readme_shows_answers() -> None:
    assert len(shown()) >= 2


@pytest.mark.parametrize(("command", "answer"), shown())
def test_the_readme_shows_what_it_says(log: Path, command: str, answer: str) -> None:
    told = subprocess.run(
        [Path(sys.executable).parent / "mien", *shlex.split(command)],
        cwd=log,
        env=os.environ | {"COLUMNS": "100", "TZ": "UTC", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    lines = "".join(f"{line.rstrip()}\n" for line in (told.stdout + told.stderr).splitlines())
    assert lines == answer, "paste what it says into the README"

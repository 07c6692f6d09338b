"""`mien query` shows low confidences as uncertain in tables for people, and nowhere else."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from samples import make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.predictions.uncertainty import shipped_thresholds
from mien.broker.query import EmotionLog
from mien.cli import main
from mien.messages.observation import Scores, encode_observation

(SHIPPED, THRESHOLD), *_ = shipped_thresholds().items()
OTHER = "0123456789ab"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A log with one observation on each side of the shipped model's threshold, and one by another model."""
    engine = open_for_writing(tmp_path / "mien.db")
    messages = []
    for seq, (model, confidence) in enumerate(((SHIPPED, THRESHOLD - 0.0001), (SHIPPED, THRESHOLD), (OTHER, 0.5)), 1):
        confidence = round(confidence, 4)
        scores = Scores(angry=0, disgust=0, fear=0, happy=confidence, sad=0, surprise=0, neutral=0.1)
        at = datetime(2026, 11, 22, 14, 30, seq, tzinfo=UTC)
        observation = make_observation(seq=seq, model=model, at=at, confidence=confidence, scores=scores)
        payload = encode_observation(observation)
        messages.append(
            decode_message(topic="t", payload=payload, received_ms=1_800_000_000_000, device=observation.device)
        )
    Store(engine).record(messages)
    engine.dispose()
    return str(tmp_path / "mien.db")


def shown(output: str) -> list[str]:
    """What each row of a table shows as the emotion."""
    return [
        word for line in output.splitlines() if "hallway" in line for word in ("uncertain", "happy") if word in line
    ]


@pytest.mark.parametrize(
    ("options", "emotions"),
    [
        ([], ["uncertain", "happy", "happy"]),
        (["--no-uncertain"], ["happy", "happy", "happy"]),
        (["--threshold", f"{OTHER}=0.6"], ["uncertain", "happy", "uncertain"]),
        (["--threshold", f"{SHIPPED}=0"], ["happy", "happy", "happy"]),
        (["--threshold", f"{OTHER}=0.6", "--threshold", f"{SHIPPED}=0.99"], ["uncertain"] * 3),
    ],
)
def test_a_table_shows_what_is_below_its_model_s_threshold_as_uncertain(
    path: str, capsys: pytest.CaptureFixture[str], options: list[str], emotions: list[str]
) -> None:
    assert main(["query", "--db", path, *options]) == 0
    assert shown(capsys.readouterr().out) == emotions


def test_data_and_counts_keep_the_seven_emotions(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    threshold = ["--threshold", f"{OTHER}=0.9"]
    assert main(["query", "--db", path, "--json", *threshold]) == 0
    assert [row["emotion"] for row in json.loads(capsys.readouterr().out)] == ["happy"] * 3
    assert main(["query", "--db", path, "--csv", *threshold]) == 0
    assert "uncertain" not in capsys.readouterr().out
    assert main(["query", "--db", path, "--by", "emotion", *threshold]) == 0
    output = capsys.readouterr().out
    assert "happy" in output
    assert "uncertain" not in output


def test_an_invalid_threshold_is_refused(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", path, "--threshold", "0.6"]) == 2
    assert "'0.6' is not a model's threshold" in capsys.readouterr().err


def test_programs_choose_the_thresholds_too(path: str) -> None:
    with EmotionLog(path) as log:
        assert [log.shown_emotion(row) for row in log.observations()] == ["uncertain", "happy", "happy"]
        assert [row.emotion for row in log.observations()] == ["happy"] * 3
    with EmotionLog(path, thresholds={SHIPPED: 0, OTHER: 0.51}) as log:
        assert [log.shown_emotion(row) for row in log.in_zone("UTC").observations()] == ["happy", "happy", "uncertain"]
        assert log.thresholds == {SHIPPED: 0, OTHER: 0.51}

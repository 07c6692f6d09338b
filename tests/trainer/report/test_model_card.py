import json

import msgspec
import pytest

from mien.cli import main
from mien.model.model_card import DEFAULT_MODEL, read_model
from mien.trainer.report.model_card import format_model_card


def test_the_card_states_uses_scores_and_data(capsys: pytest.CaptureFixture[str]) -> None:
    _, card = read_model(DEFAULT_MODEL)
    markdown = format_model_card(card)
    for heading in ("Model details", "Intended use", "Factors", "Metrics", "Training and evaluation data"):
        assert f"## {heading}\n" in markdown
    assert "**Prohibited:**" in markdown
    assert f"{card.evaluation.accuracy:.2%}" in markdown
    assert "## Confidence\n" in markdown
    assert card.threshold
    assert f"below {card.threshold.confidence:.4g} is shown as uncertain" in markdown
    risks = [f"{risk:.1%}" for _, risk in card.evaluation.risk_coverage]
    assert f"| risk | {' | '.join(risks)} |" in markdown
    assert main(["model", "card"]) == 0
    assert capsys.readouterr().out == markdown
    assert main(["model", "card", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights_sha256"] == card.weights_sha256


def test_a_missing_model_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "card", "/nowhere.tflite"]) == 4
    assert "/nowhere.tflite cannot be read" in capsys.readouterr().err


def test_a_card_without_confidence_measures_says_nothing_of_confidence() -> None:
    _, card = read_model(DEFAULT_MODEL)
    evaluation = msgspec.structs.replace(card.evaluation, risk_coverage=[])
    markdown = format_model_card(msgspec.structs.replace(card, evaluation=evaluation, threshold=None))
    assert "## Confidence" not in markdown
    assert "uncertain" not in markdown

import json

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
    assert main(["model", "card"]) == 0
    assert capsys.readouterr().out == markdown
    assert main(["model", "card", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights_sha256"] == card.weights_sha256


def test_a_missing_model_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "card", "/nowhere.tflite"]) == 4
    assert "/nowhere.tflite cannot be read" in capsys.readouterr().err

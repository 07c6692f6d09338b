import json

import pytest

from mien.card import DEFAULT_MODEL, read_model
from mien.command import main
from mien.trainer.model_card import model_card


def test_the_card_states_uses_scores_and_data(capsys: pytest.CaptureFixture[str]) -> None:
    _, card = read_model(DEFAULT_MODEL)
    text = model_card(card)
    for heading in ("Model details", "Intended use", "Factors", "Metrics", "Training and evaluation data"):
        assert f"## {heading}\n" in text
    assert "**Prohibited:**" in text
    assert f"{card.evaluation.accuracy:.2%}" in text
    assert main(["card"]) == 0
    assert capsys.readouterr().out == text
    assert main(["card", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights_sha256"] == card.weights_sha256


def test_a_missing_model_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", "/nowhere.tflite"]) == 4
    assert "/nowhere.tflite cannot be read" in capsys.readouterr().err

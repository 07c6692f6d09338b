import pytest

from mien.broker.predictions.uncertainty import parse_thresholds, shipped_thresholds, shown_emotion
from mien.errors import UsageError
from mien.model.model_card import DEFAULT_MODEL, read_model

MODEL = "0123456789ab"


@pytest.mark.parametrize(
    ("confidence", "model", "shown"),
    [(0.5999, MODEL, "uncertain"), (0.6, MODEL, "happy"), (0.1, "ffffffffffff", "happy"), (1.0, MODEL, "happy")],
)
def test_only_what_is_below_its_own_model_s_threshold_is_uncertain(confidence: float, model: str, shown: str) -> None:
    assert shown_emotion("happy", confidence, model, {MODEL: 0.6}) == shown


def test_the_shipped_model_s_threshold_is_its_card_s() -> None:
    _, card = read_model(DEFAULT_MODEL)
    assert card.threshold
    assert shipped_thresholds() == {card.weights_sha256[:12]: card.threshold.confidence}


def test_thresholds_are_written_with_their_models() -> None:
    assert parse_thresholds([f"{MODEL}=0.65", "ffffffffffff=0"]) == {MODEL: 0.65, "ffffffffffff": 0.0}


@pytest.mark.parametrize("text", ["0.65", "0123=0.65", f"{MODEL}=1.1", f"{MODEL}=-0", f"{MODEL}=", f"{MODEL}=0.6\n"])
def test_other_thresholds_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 5891a6870824=0\.65"):
        parse_thresholds([text])

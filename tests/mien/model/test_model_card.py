import hashlib
import io
import zipfile

import msgspec
import pytest

from mien.errors import ModelError
from mien.model.model_card import (
    CARD_FILE,
    DEFAULT_MODEL,
    Evaluation,
    ModelCard,
    append_model_card,
    bare_weights,
    check_model_card,
    read_model,
    read_model_card,
)
from mien.model.preprocessing import PREPROCESSING_ID

WEIGHTS = b"TFL3 not a network" * 100


def make_card(**changes: object) -> ModelCard:
    card = ModelCard(
        network="cnn-bilstm",
        parameters=1,
        preprocessing=PREPROCESSING_ID,
        weights_sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        quantization="int8",
        training_data="stripes",
        recipe={"seed": 1},
        evaluation=Evaluation(data="stripes", split="PublicTest", count=1, accuracy=1.0, macro_f1=1.0, per_emotion={}),
    )
    return msgspec.structs.replace(card, **changes)


def test_a_card_is_read_back_and_the_weights_stay_at_the_front() -> None:
    model = append_model_card(WEIGHTS, make_card())
    assert model.startswith(WEIGHTS)
    assert read_model_card(model, "m.tflite") == make_card()
    assert bare_weights(model) == WEIGHTS


def test_any_unzip_program_can_read_card_and_labels() -> None:
    with zipfile.ZipFile(io.BytesIO(append_model_card(WEIGHTS, make_card()))) as archive:
        assert archive.read("labels.txt").decode().split()[3] == "happy"
        assert b"prohibited_use" in archive.read(CARD_FILE)


def test_the_same_weights_and_card_make_the_same_file() -> None:
    assert append_model_card(WEIGHTS, make_card()) == append_model_card(WEIGHTS, make_card())


def test_a_file_without_a_card_is_refused() -> None:
    with pytest.raises(ModelError, match=r"m.tflite has no model card: export the model again"):
        read_model_card(WEIGHTS, "m.tflite")


def test_weights_that_do_not_match_the_card_are_refused() -> None:
    model = append_model_card(WEIGHTS, make_card())
    with pytest.raises(ModelError, match="is damaged"):
        read_model_card(model.replace(b"not a network", b"now a network", 1), "m.tflite")


def test_an_unreadable_card_is_refused() -> None:
    model = io.BytesIO(WEIGHTS)
    with zipfile.ZipFile(model, "a") as archive:
        archive.writestr(CARD_FILE, '{"labels": 3}')
    with pytest.raises(ModelError, match="has a model card that cannot be read"):
        read_model_card(model.getvalue(), "m.tflite")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("happy", "sad")}, "m.tflite predicts happy, sad; this release expects angry"),
        ({"input_shape": (1, 224, 224, 3)}, r"expects \(1, 224, 224, 3\) images"),
        ({"preprocessing": "rgb224"}, "expects rgb224 crops"),
    ],
)
def test_a_card_that_is_incompatible_with_the_release_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        check_model_card(make_card(**changes), PREPROCESSING_ID, "m.tflite")


def test_the_shipped_model_says_when_it_does_not_know() -> None:
    _, card = read_model(DEFAULT_MODEL)
    assert card.threshold
    assert 1 / 7 < card.threshold.confidence < 1
    assert card.threshold.accuracy >= 0.9
    assert 0.5 < card.threshold.coverage < 1
    assert "held-out Training images" in card.threshold.chosen_on
    coverages, risks = zip(*card.evaluation.risk_coverage, strict=True)
    assert (coverages[0], coverages[-1]) == (0.1, 1.0)
    assert card.evaluation.ferplus_majority == pytest.approx(1 - risks[-1], abs=1e-4)
    assert card.evaluation.selective_at_80 == pytest.approx(1 - risks[coverages.index(0.8)], abs=1e-4)

import hashlib
import io
import zipfile

import msgspec
import pytest

from mien.card import CARD_FILE, Card, Evaluation, append_card, check_card, read_card
from mien.errors import ModelError
from mien.preprocessing import PREPROCESSING

WEIGHTS = b"TFL3 not a network" * 100


def make_card(**changes: object) -> Card:
    card = Card(
        network="cnn-bilstm",
        parameters=1,
        preprocessing=PREPROCESSING,
        weights_sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        quantisation="int8",
        training_data="stripes",
        recipe={"seed": 1},
        evaluation=Evaluation(data="stripes", usage="PublicTest", count=1, accuracy=1.0, macro_f1=1.0, per_class={}),
    )
    return msgspec.structs.replace(card, **changes)


def test_a_card_is_read_back_and_the_weights_stay_in_front() -> None:
    whole = append_card(WEIGHTS, make_card())
    assert whole.startswith(WEIGHTS)
    assert read_card(whole, "m.tflite") == make_card()


def test_any_unzip_program_finds_card_and_labels() -> None:
    with zipfile.ZipFile(io.BytesIO(append_card(WEIGHTS, make_card()))) as archive:
        assert archive.read("labels.txt").decode().split()[3] == "happy"
        assert b"prohibited_use" in archive.read(CARD_FILE)


def test_the_same_weights_and_card_give_the_same_file() -> None:
    assert append_card(WEIGHTS, make_card()) == append_card(WEIGHTS, make_card())


def test_a_file_without_a_card_is_refused() -> None:
    with pytest.raises(ModelError, match=r"m.tflite has no model card: export the model again"):
        read_card(WEIGHTS, "m.tflite")


def test_weights_that_are_not_those_of_the_card_are_refused() -> None:
    whole = append_card(WEIGHTS, make_card())
    with pytest.raises(ModelError, match="is damaged"):
        read_card(whole.replace(b"not a network", b"now a network", 1), "m.tflite")


def test_an_unreadable_card_is_refused() -> None:
    whole = io.BytesIO(WEIGHTS)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(CARD_FILE, '{"labels": 3}')
    with pytest.raises(ModelError, match="has a card that cannot be read"):
        read_card(whole.getvalue(), "m.tflite")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("happy", "sad")}, "m.tflite answers happy, sad; this release knows angry"),
        ({"input_shape": (1, 224, 224, 3)}, r"takes \(1, 224, 224, 3\) pictures"),
        ({"preprocessing": "rgb224"}, "expects rgb224 crops"),
    ],
)
def test_a_card_that_disagrees_with_the_release_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        check_card(make_card(**changes), PREPROCESSING, "m.tflite")

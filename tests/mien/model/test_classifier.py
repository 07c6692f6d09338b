import hashlib
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.edge.camera.demo_camera import PORTRAIT
from mien.errors import ModelError
from mien.model.classifier import Classifier
from mien.model.model_card import DEFAULT_MODEL, append_model_card


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier()


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:
    image = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return image.astype(np.uint8)


def test_the_default_model_returns_seven_scores_that_sum_to_one(
    classifier: Classifier, portrait: NDArray[np.uint8]
) -> None:
    scores = classifier(portrait)
    assert scores.shape == (7,)
    assert scores.sum() == pytest.approx(1.0, abs=0.03)  # int8 scores have steps of 1/256
    assert scores.min() >= 0


def test_no_image_affects_the_next_prediction(classifier: Classifier, portrait: NDArray[np.uint8]) -> None:
    first = classifier(portrait)
    classifier(np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.uint8))
    assert np.array_equal(classifier(portrait), first)


def test_mirrored_scores_are_those_of_the_mirror_image(classifier: Classifier, portrait: NDArray[np.uint8]) -> None:
    crop = portrait[64:170, 70:176]
    mirror = np.ascontiguousarray(crop[:, ::-1])
    # Downscaling rounds slightly differently in the mirror image.
    assert classifier(crop, mirrored=True) == pytest.approx(classifier(mirror), abs=0.05)
    noise = np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.uint8)
    assert not np.array_equal(classifier(noise), classifier(noise, mirrored=True))


def test_it_names_the_runtime_in_use(classifier: Classifier) -> None:
    assert classifier.runtime.startswith(("ai-edge-litert 2.", "tflite-runtime 2."))


def test_the_model_id_is_the_hash_of_its_weights(classifier: Classifier) -> None:
    assert classifier.model_id == classifier.card.weights_sha256[:12]


def test_the_default_model_is_a_cnn_bilstm_of_this_repository(classifier: Classifier) -> None:
    assert classifier.card.network == "cnn-bilstm-residual"
    assert classifier.card.evaluation.split == "PublicTest"
    assert classifier.card.evaluation.accuracy >= 0.60


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none.tflite cannot be read \(No such file or directory\)"):
        Classifier(tmp_path / "none.tflite")


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(DEFAULT_MODEL.read_bytes()[:100_000])
    with pytest.raises(ModelError, match="has no model card"):
        Classifier(broken)


def test_weights_that_no_runtime_loads_are_refused(tmp_path: Path, classifier: Classifier) -> None:
    weights = b"not a flatbuffer" * 64
    digest = hashlib.sha256(weights).hexdigest()
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(append_model_card(weights, msgspec.structs.replace(classifier.card, weights_sha256=digest)))
    with pytest.raises(ModelError, match="does not load in"):
        Classifier(broken)

"""Checks that a converted network is sound: its size, finite scores, no state."""

import tempfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from mien.errors import TrainingError
from mien.model.classifier import Classifier
from mien.model.model_card import Evaluation, append_model_card
from mien.trainer.data.dataset import Dataset
from mien.trainer.recipe import Recipe

from .conversion import BYTES_PER_PARAMETER, Quantization, operation_names
from .model_card import build_model_card

MAX_BYTES_PER_OPERATION = 500
"""Besides its weights: an LSTM unrolled over many steps has thousands of operations."""


def check_size(weights: bytes, model: keras.Model, quantization: Quantization) -> None:
    """TrainingError if the size of a `.tflite` file does not match its parameters."""
    bytes_per_parameter = BYTES_PER_PARAMETER[quantization]
    expected = model.count_params() * bytes_per_parameter
    max_size = 1.3 * expected + 150_000 + MAX_BYTES_PER_OPERATION * len(operation_names(weights))
    if not 0.9 * expected < len(weights) < max_size:
        raise TrainingError(
            f"the file has {len(weights)} bytes for {model.count_params()} parameters of {bytes_per_parameter} bytes: "
            "not all weights were converted"
        )


def score_with_runtime(model: keras.Model, weights: bytes, data: Dataset) -> tuple[NDArray[np.float32], str]:
    """(count, 7) scores of `weights`, converted from `model`, in the device's runtime, and the runtime's name.

    TrainingError if they are not finite or depend on earlier images.
    """
    placeholder = Evaluation(data=data.name, split="", count=0, accuracy=0.0, macro_f1=0.0, per_emotion={})
    card = build_model_card(
        model, weights, quantization="", recipe=Recipe(), calibration="", train_set=data, evaluation=placeholder
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "candidate.tflite"
        file.write_bytes(append_model_card(weights, card))
        classifier = Classifier(file)
    scores = np.stack([classifier(image) for image in data.images])
    if not np.isfinite(scores).all():
        raise TrainingError("the converted model predicts NaN: convert from a saved model, not from a function")
    if not np.array_equal(classifier(data.images[0]), scores[0]):
        raise TrainingError("the converted model remembers earlier images: keep the LSTM unrolled")
    return scores, classifier.runtime

"""How good a model is: the same figures for a Keras model and for the file that runs on the device."""

from collections.abc import Callable
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mien.card import ClassScore, Evaluation
from mien.classifier import Classifier
from mien.emotions import EMOTIONS
from mien.errors import ModelError

from .batches import network_input
from .dataset import Dataset
from .ferplus import majority_accuracy
from .keras_model import load_keras_model

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From (count, 48, 48) pictures as read to (count, 7) scores."""


class Report(Evaluation, frozen=True, kw_only=True):
    """One model on one split; all figures are fractions."""

    model: str
    runtime: str
    ferplus_majority: float | None = None
    """Accuracy where more than half of FER+'s ten people chose one of the seven emotions."""
    confusion: list[list[int]]
    """Rows are the labels, columns the model's answers, both in the order of EMOTIONS."""

    def for_card(self) -> Evaluation:
        """What a model card says of it."""
        return msgspec.convert(msgspec.to_builtins(self), Evaluation)


def load_predictor(path: Path) -> tuple[Predict, str]:
    """A model's predictions and its runtime's name, from a `.keras` or a `.tflite` file.

    ModelError if the file is missing or broken.
    """
    if path.suffix == ".tflite":
        classifier = Classifier(path)
        return lambda pictures: np.stack([classifier(picture) for picture in pictures]), classifier.runtime
    if path.suffix != ".keras":
        raise ModelError(f"{path} is neither a .keras nor a .tflite file: name the model to evaluate")
    return predict_with_keras(load_keras_model(path))


def predict_with_keras(model: keras.Model) -> tuple[Predict, str]:
    """A Keras model's predictions and its runtime's name."""

    def predict(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(model.predict(network_input(pictures), batch_size=256, verbose=0))

    return predict, f"keras {keras.version()} on {keras.backend.backend()}"


def evaluate(
    predict: Predict,
    runtime: str,
    *,
    model: str,
    data: Dataset,
    usage: str,
    votes: NDArray[np.float32] | None = None,
) -> Report:
    """Score a model on all pictures of a split; with FER+'s `votes` for them, (count, 7), against these too."""
    answers = predict(data.pictures).argmax(axis=1)
    classes = list(range(len(EMOTIONS)))
    precision, recall, f1, support = precision_recall_fscore_support(
        data.labels, answers, labels=classes, zero_division=0.0
    )
    majority = None if votes is None else majority_accuracy(answers, votes)
    return Report(
        model=model,
        runtime=runtime,
        ferplus_majority=None if majority is None else round(majority, 4),
        data=data.name,
        usage=usage,
        count=len(data),
        accuracy=round(float((answers == data.labels).mean()), 4),
        macro_f1=round(float(f1.mean()), 4),
        per_class={
            name: ClassScore(
                precision=round(float(precision[place]), 4),
                recall=round(float(recall[place]), 4),
                f1=round(float(f1[place]), 4),
                support=int(support[place]),
            )
            for place, name in enumerate(EMOTIONS)
        },
        confusion=confusion_matrix(data.labels, answers, labels=classes).tolist(),
    )

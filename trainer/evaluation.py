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
from .calibration import expected_calibration_error
from .dataset import Dataset
from .duplicates import standing_in
from .ferplus import majority
from .keras_model import load_keras_model, scores_of
from .significance import interval_of_share, intervals

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From (count, 48, 48) pictures as read to (count, 7) scores."""


class Report(Evaluation, frozen=True, kw_only=True):
    """One model on one split; all figures are fractions."""

    model: str
    runtime: str

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
        return scores_of(model, network_input(pictures))

    return predict, f"keras {keras.version()} on {keras.backend.backend()}"


def evaluate(
    scores: NDArray[np.float32], *, model: str, runtime: str, data: Dataset, training: Dataset | None = None
) -> Report:
    """Score a model's answers on all pictures of a split, (count, 7).

    Where `data` has FER+'s votes, against these too. `training`, the pictures that it learned from, says which of
    `data` are leaks.
    """
    answers = scores.argmax(axis=1)
    right = answers == data.labels
    classes = list(range(len(EMOTIONS)))
    precision, recall, f1, support = precision_recall_fscore_support(
        data.labels, answers, labels=classes, zero_division=0.0
    )
    confusion = confusion_matrix(data.labels, answers, labels=classes)
    known = intervals(confusion)
    fresh = None if training is None else ~standing_in(data.pictures, training.pictures)
    clear = None if data.votes is None else majority(data.votes)
    votes_right, ece_ferplus = None, None
    if clear is not None and clear.any():
        chosen = data.votes[clear].argmax(axis=1)  # type: ignore[index]  # clear is None without votes
        votes_right = answers[clear] == chosen
        ece_ferplus = round(expected_calibration_error(scores[clear], chosen), 4)
        known["ferplus_majority"] = interval_of_share(votes_right)
    return Report(
        model=model,
        runtime=runtime,
        data=data.name,
        usage=str(data.usages[0]),
        count=len(data),
        accuracy=_share(right),
        macro_f1=round(float(f1[support > 0].mean()), 4),
        accuracy_without_leaks=None if fresh is None or not fresh.any() else _share(right[fresh]),
        leaks=None if fresh is None else int((~fresh).sum()),
        ferplus_majority=None if votes_right is None else _share(votes_right),
        ferplus_majority_count=None if votes_right is None else len(votes_right),
        ece=round(expected_calibration_error(scores, data.labels), 4),
        ece_ferplus=ece_ferplus,
        intervals=known,
        per_class={
            name: ClassScore(
                precision=round(float(precision[place]), 4),
                recall=round(float(recall[place]), 4),
                f1=round(float(f1[place]), 4),
                support=int(support[place]),
            )
            for place, name in enumerate(EMOTIONS)
        },
        confusion=confusion.tolist(),
    )


def _share(right: NDArray[np.bool_]) -> float:
    return round(float(right.mean()), 4)

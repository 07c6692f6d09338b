"""Scores a model by the same metrics, whether it is a Keras model or the file that runs on the device."""

from collections.abc import Callable
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mien.emotions import EMOTIONS
from mien.errors import ModelError
from mien.model.classifier import Classifier
from mien.model.model_card import EmotionScore, Evaluation
from mien.trainer.data.batches import to_network_input
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.duplicates import occur_in
from mien.trainer.data.ferplus import has_majority
from mien.trainer.models.inference import load_keras_model, predict_scores

from .calibration import expected_calibration_error
from .selective import risk_coverage_table, selective_accuracy
from .significance import bootstrap_intervals, bootstrap_share_interval

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From (count, 48, 48) images as read to (count, 7) scores."""


class EvaluationReport(Evaluation, frozen=True, kw_only=True):
    """One model on one split; all metrics are fractions."""

    model: str
    runtime: str

    def to_card(self) -> Evaluation:
        """The part that a model card states."""
        return msgspec.convert(msgspec.to_builtins(self), Evaluation)


def load_predictor(path: Path) -> tuple[Predict, str]:
    """The predict function of a `.keras` or `.tflite` file and the name of its runtime.

    ModelError if the file is missing or broken.
    """
    if path.suffix == ".tflite":
        classifier = Classifier(path)
        return lambda images: np.stack([classifier(image) for image in images]), classifier.runtime
    if path.suffix != ".keras":
        raise ModelError(f"{path} is neither a .keras nor a .tflite file: name the model to evaluate")
    return keras_predictor(load_keras_model(path))


def keras_predictor(model: keras.Model) -> tuple[Predict, str]:
    """The predict function of a Keras model and the name of its runtime."""

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return predict_scores(model, to_network_input(images))

    return predict, f"keras {keras.version()} on {keras.backend.backend()}"


def evaluate(
    scores: NDArray[np.float32], *, model: str, runtime: str, data: Dataset, training: Dataset | None = None
) -> EvaluationReport:
    """Evaluate a model's (count, 7) scores on all images of a split.

    Also against FER+'s votes if `data` has them. Images of `data` that also occur in `training`, which the model
    learned from, are leaks.
    """
    predictions = scores.argmax(axis=1)
    correct = predictions == data.labels
    precision, recall, f1, support = precision_recall_fscore_support(
        data.labels, predictions, labels=list(range(len(EMOTIONS))), zero_division=0.0
    )
    confusion = confusion_matrix(data.labels, predictions, labels=list(range(len(EMOTIONS))))
    intervals = bootstrap_intervals(confusion)
    unseen = None if training is None else ~occur_in(data.images, training.images)
    correct_by_majority, ece_ferplus, selective_at_80 = None, None, None
    risk_coverage: list[tuple[float, float]] = []
    if data.votes is not None and (majority := has_majority(data.votes)).any():
        majority_labels = data.votes[majority].argmax(axis=1)
        correct_by_majority = predictions[majority] == majority_labels
        ece_ferplus = round(expected_calibration_error(scores[majority], majority_labels), 4)
        selective_at_80 = round(selective_accuracy(scores[majority], correct_by_majority, coverage=0.8), 4)
        risk_coverage = risk_coverage_table(scores[majority], correct_by_majority)
        intervals["ferplus_majority"] = bootstrap_share_interval(correct_by_majority)
    return EvaluationReport(
        model=model,
        runtime=runtime,
        data=data.name,
        split=str(data.splits[0]),
        count=len(data),
        accuracy=_share(correct),
        macro_f1=round(float(f1[support > 0].mean()), 4),
        accuracy_without_leaks=None if unseen is None or not unseen.any() else _share(correct[unseen]),
        leaks=None if unseen is None else int((~unseen).sum()),
        ferplus_majority=None if correct_by_majority is None else _share(correct_by_majority),
        ferplus_majority_count=None if correct_by_majority is None else len(correct_by_majority),
        ece_fer=round(expected_calibration_error(scores, data.labels), 4),
        ece_ferplus=ece_ferplus,
        selective_at_80=selective_at_80,
        risk_coverage=risk_coverage,
        intervals=intervals,
        per_emotion={
            emotion: EmotionScore(
                precision=round(float(precision[index]), 4),
                recall=round(float(recall[index]), 4),
                f1=round(float(f1[index]), 4),
                support=int(support[index]),
            )
            for index, emotion in enumerate(EMOTIONS)
        },
        confusion=confusion.tolist(),
    )


def _share(correct: NDArray[np.bool_]) -> float:
    return round(float(correct.mean()), 4)

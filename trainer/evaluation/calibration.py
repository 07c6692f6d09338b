"""Calibrates a network's confidence to the probability that its prediction is right."""

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from mien.errors import TrainingError
from mien.trainer.data.batches import to_network_input
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.ferplus import has_majority
from mien.trainer.models.blocks import LOGITS_LAYER
from mien.trainer.models.inference import predict_scores
from mien.trainer.recipe import LabelSource

BIN_COUNT = 15
"""Bins of equal width, as in Guo et al., "On Calibration of Modern Neural Networks", ICML 2017."""
MIN_IMAGES = 10
MAX_LOG_TEMPERATURE = 3.0
"""A temperature cannot fix a network that needs one further from 1."""


def expected_calibration_error(scores: NDArray[np.float32], labels: NDArray[np.integer]) -> float:
    """The gap between confidence and accuracy, averaged over bins of confidence weighted by their images.

    `scores` is (count, 7), `labels` (count,); returns a fraction.
    """
    confidence, correct = scores.max(axis=1), scores.argmax(axis=1) == labels
    gaps = np.bincount(confidence_bins(scores), weights=correct - confidence, minlength=BIN_COUNT)
    return float(np.abs(gaps).sum()) / len(labels)


def confidence_bins(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """(count,) bins, from 0 to BIN_COUNT - 1, of the confidences of (count, 7) scores."""
    bins: NDArray[np.int64] = (scores.max(axis=1) * BIN_COUNT).astype(np.int64)
    return bins.clip(max=BIN_COUNT - 1)


def fit_temperature(scores: NDArray[np.float32], labels: NDArray[np.integer]) -> float:
    """The divisor of the logits that maximizes the likelihood of the labels (Guo et al., 2017, section 4.2)."""
    log_scores = np.log(np.maximum(scores.astype(np.float64), 1e-12))

    def negative_log_likelihood(log_temperature: float) -> float:
        log_likelihoods = log_softmax(log_scores / np.exp(log_temperature), axis=1)
        return -float(log_likelihoods[np.arange(len(labels)), labels].mean())

    bounds = (-MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE)
    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=bounds, method="bounded").x))


def calibration_set(data: Dataset, labels: LabelSource) -> tuple[Dataset, NDArray[np.integer], str]:
    """The images of `data` to calibrate on, their labels, and a description of those labels.

    The confidence of a network that learned from FER+ should say how likely most people are to agree: the images with
    a FER+ majority. Otherwise, or if too few images have a majority, FER-2013's labels.
    """
    if labels != "fer" and data.votes is not None:
        majority = has_majority(data.votes)
        if majority.sum() >= MIN_IMAGES:
            return data.select(majority), data.votes[majority].argmax(axis=1), "where most of FER+'s people agree"
    return data, data.labels, "with FER-2013's labels"


def calibrate(model: keras.Model, held_out: Dataset, labels: LabelSource) -> str:
    """Divide a network's logits by the temperature fitted on `held_out`; returns a summary for its model card."""
    data, true_labels, description = calibration_set(held_out, labels)
    inputs = to_network_input(data.images)
    before = predict_scores(model, inputs)
    temperature = fit_temperature(before, true_labels)
    if abs(np.log(temperature)) > 0.99 * MAX_LOG_TEMPERATURE:
        return f"none: {len(data)} held-out Training images need the temperature {temperature:.3f}, too far from 1"
    fold_temperature(model, temperature)
    after = predict_scores(model, inputs)
    return (
        f"temperature {temperature:.3f}, folded into the weights, fitted on {len(data)} held-out Training images "
        f"{description}: expected calibration error there "
        f"{expected_calibration_error(before, true_labels):.4f} before, "
        f"{expected_calibration_error(after, true_labels):.4f} after"
    )


def fold_temperature(model: keras.Model, temperature: float) -> None:
    """Divide a network's logits permanently. TrainingError if it has no layer `logits`."""
    layers = [layer for layer in model._flatten_layers() if layer.name == LOGITS_LAYER]
    if not layers:
        raise TrainingError(
            f"{model.name} has no layer named {LOGITS_LAYER}: build it as in mien.trainer.models.networks"
        )
    for layer in layers:
        layer.set_weights([weight / temperature for weight in layer.get_weights()])

"""Makes a network's confidence the chance that its answer is right."""

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from mien.errors import TrainingError

from .batches import network_input
from .dataset import Dataset
from .ferplus import majority
from .keras_model import scores_of
from .networks import LOGITS
from .targets import Labels

BINS = 15
"""Of equal width, as in Guo et al., "On Calibration of Modern Neural Networks", ICML 2017."""
FEWEST_PICTURES = 10
LIMIT = 3.0
"""Of the logarithm of a temperature; a network that asks for more is not to be mended by one."""


def expected_calibration_error(scores: NDArray[np.float32], labels: NDArray[np.integer]) -> float:
    """How far confidence and accuracy lie apart, a mean over bins of confidence weighted by their pictures.

    `scores` is (count, 7), `labels` (count,); a fraction.
    """
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == labels
    gaps = np.bincount(confidence_bins(scores), weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum()) / len(labels)


def confidence_bins(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """(count,) the bin, from 0 to BINS - 1, that the confidence of each of (count, 7) scores lies in."""
    bins: NDArray[np.int64] = (scores.max(axis=1) * BINS).astype(np.int64)
    return bins.clip(max=BINS - 1)


def temperature(scores: NDArray[np.float32], labels: NDArray[np.integer]) -> float:
    """The number to divide the logits by so that the labels become likeliest (Guo et al., 2017, section 4.2)."""
    logarithms = np.log(np.maximum(scores.astype(np.float64), 1e-12))

    def surprise(log_temperature: float) -> float:
        likelihoods = log_softmax(logarithms / np.exp(log_temperature), axis=1)
        return -float(likelihoods[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-LIMIT, LIMIT), method="bounded").x))


def what_counts(data: Dataset, labels: Labels) -> tuple[Dataset, NDArray[np.integer], str]:
    """The pictures of `data` that confidence is measured on, their right answers, and that in words.

    A network that learned from FER+ is to say how sure most people would be: the pictures where most agree. Otherwise
    the labels of FER-2013, and those also where most people agree on too few pictures.
    """
    if labels != "fer" and data.votes is not None:
        clear = majority(data.votes)
        if clear.sum() >= FEWEST_PICTURES:
            return data.only(clear), data.votes[clear].argmax(axis=1), "where most of FER+'s people agree"
    return data, data.labels, "with FER-2013's labels"


def calibrate(model: keras.Model, held_out: Dataset, labels: Labels) -> str:
    """Divide a network's logits by the temperature that `held_out` asks for; what was done, in words for its card."""
    pictures, answers, words = what_counts(held_out, labels)
    inputs = network_input(pictures.pictures)
    before = scores_of(model, inputs)
    found = temperature(before, answers)
    if abs(np.log(found)) > 0.99 * LIMIT:
        return f"none: {len(pictures)} held-out Training pictures ask for the temperature {found:.3f}, too far off"
    fold_temperature(model, found)
    after = scores_of(model, inputs)
    return (
        f"temperature {found:.3f}, folded into the weights, fitted on {len(pictures)} held-out Training pictures "
        f"{words}: expected calibration error there {expected_calibration_error(before, answers):.4f} before, "
        f"{expected_calibration_error(after, answers):.4f} after"
    )


def fold_temperature(model: keras.Model, divisor: float) -> None:
    """Divide the logits of a network for good. TrainingError if it has no layer `logits`."""
    layers = [layer for layer in model._flatten_layers() if layer.name == LOGITS]
    if not layers:
        raise TrainingError(f"{model.name} has no layer named {LOGITS}: build it as in mien.trainer.networks")
    for layer in layers:
        layer.set_weights([weight / divisor for weight in layer.get_weights()])

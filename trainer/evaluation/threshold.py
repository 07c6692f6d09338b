"""Chooses the confidence below which a model's predictions are better shown as uncertain."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mien.model.model_card import ConfidenceThreshold
from mien.trainer.data.corruption import corrupt
from mien.trainer.data.dataset import Dataset
from mien.trainer.recipe import LabelSource

from .calibration import calibration_set
from .selective import lowest_confidence

ACCURACY = 0.9
"""Of the predictions that are not uncertain."""
SEED = 28
CONFIDENCE_STEPS = 10_000
"""Confidences are sent and stored in such steps of 1."""


class ThresholdImages:
    """Held-out images, each as it is and corrupted, for what a camera sees is seldom as clean as a data set."""

    def __init__(self, held_out: Dataset, labels: LabelSource) -> None:
        """With the labels that confidence is calibrated to, see `calibration_set`; always corrupted the same way."""
        clean, true_labels, description = calibration_set(held_out, labels)
        random = np.random.default_rng(SEED)
        corrupted = np.stack([corrupt(image, random) for image in clean.images])
        self.images = replace(
            clean.select(np.tile(np.arange(len(clean)), 2)), images=np.concatenate([clean.images, corrupted])
        )
        self._labels = np.tile(true_labels, 2)
        self._description = f"{len(clean)} held-out Training images {description}, each as it is and corrupted"

    def choose(self, scores: NDArray[np.float32]) -> ConfidenceThreshold | None:
        """The lowest threshold with ACCURACY, by a model's (count, 7) scores of `images`; None if there is none."""
        found = lowest_confidence(scores, scores.argmax(axis=1) == self._labels, accuracy=ACCURACY)
        if found is None:
            return None
        confidence, accuracy, coverage = found
        return ConfidenceThreshold(
            confidence=math.floor(confidence * CONFIDENCE_STEPS) / CONFIDENCE_STEPS,
            accuracy=round(accuracy, 4),
            coverage=round(coverage, 4),
            chosen_on=self._description,
        )

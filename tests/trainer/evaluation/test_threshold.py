import numpy as np
import pytest

from mien.trainer.data.dataset import Dataset
from mien.trainer.evaluation.threshold import ACCURACY, ThresholdImages


def test_each_image_counts_as_it_is_and_corrupted_always_in_the_same_way(data_with_votes: Dataset) -> None:
    held_out = data_with_votes.split("PublicTest")
    images = ThresholdImages(held_out, "mix").images.images
    assert len(images) == 2 * len(held_out)
    assert np.array_equal(images[: len(held_out)], held_out.images)
    changed = (images[len(held_out) :] != held_out.images).any(axis=(1, 2))
    assert changed.mean() > 0.9
    assert np.array_equal(images, ThresholdImages(held_out, "mix").images.images)


def test_the_threshold_leaves_out_the_predictions_that_are_wrong(data_with_votes: Dataset) -> None:
    held_out = data_with_votes.split("PublicTest")
    labels = np.tile(held_out.labels, 2)
    predictions = labels.copy()
    predictions[len(held_out) :] = (predictions[len(held_out) :] + 1) % 7  # the corrupted half is wrong
    confidences = np.where(predictions == labels, 0.87654321, 0.6)
    scores = np.repeat(((1 - confidences) / 6)[:, np.newaxis], 7, axis=1).astype(np.float32)
    scores[np.arange(len(labels)), predictions] = confidences
    threshold = ThresholdImages(held_out, "mix").choose(scores)
    assert threshold
    assert threshold.confidence == 0.8765  # rounded down: the images that it was chosen by are not below it
    assert (threshold.accuracy, threshold.coverage) == (1.0, 0.5)
    assert threshold.chosen_on.startswith("35 held-out Training images where most of FER+'s people agree")


def test_a_model_that_is_always_wrong_has_none(data_with_votes: Dataset) -> None:
    held_out = data_with_votes.split("PublicTest")
    scores = np.eye(7, dtype=np.float32)[(np.tile(held_out.labels, 2) + 1) % 7]
    assert ThresholdImages(held_out, "mix").choose(scores) is None
    assert pytest.approx(0.9) == ACCURACY

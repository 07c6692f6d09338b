"""Calibration against hand-made cases."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from mien.trainer.data.dataset import Dataset
from mien.trainer.evaluation.calibration import calibration_set, expected_calibration_error, fit_temperature


def make_scores(confidence: float, count: int) -> NDArray[np.float32]:
    """Scores that always predict the first class, with this confidence."""
    rest = (1 - confidence) / 6
    return np.tile(np.array([confidence] + [rest] * 6, np.float32), (count, 1))


def test_the_error_is_zero_if_predictions_are_right_as_often_as_their_confidence() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    assert expected_calibration_error(make_scores(0.8, 10), labels) == pytest.approx(0.0, abs=1e-6)


def test_the_error_is_the_gap_weighted_by_images() -> None:
    scores = np.concatenate([make_scores(0.9, 10), make_scores(0.5, 30)])
    labels = np.array([0] * 5 + [1] * 5 + [0] * 30)
    assert expected_calibration_error(scores, labels) == pytest.approx(0.25 * 0.4 + 0.75 * 0.5, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_temperature_that_scores_were_made_with_is_recovered(temperature: float) -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (20_000, 7))
    labels = np.array([random.choice(7, p=probabilities) for probabilities in softmax(logits, axis=1)])
    uncalibrated_scores = softmax(logits * temperature, axis=1).astype(np.float32)
    assert fit_temperature(uncalibrated_scores, labels) == pytest.approx(temperature, rel=0.05)


def test_confidence_is_calibrated_where_most_people_agree_if_the_votes_were_learned(data_with_votes: Dataset) -> None:
    assert calibration_set(data_with_votes, "mix")[2] == "where most of FER+'s people agree"
    data, labels, description = calibration_set(data_with_votes, "fer")
    assert (len(data), description) == (len(data_with_votes), "with FER-2013's labels")
    assert np.array_equal(labels, data_with_votes.labels)

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.trainer.evaluation.selective import risk_coverage, selective_accuracy


def scores_of(confidences: list[float]) -> NDArray[np.float32]:
    """Scores with these confidences in the first emotion."""
    rest = (1 - np.array(confidences)) / 6
    return np.column_stack([confidences, *[rest] * 6]).astype(np.float32)


def test_the_least_confident_predictions_are_left_out_first() -> None:
    scores = scores_of([0.9, 0.5, 0.8, 0.7, 0.6])
    correct = np.array([True, False, True, True, True])
    coverage, accuracy = risk_coverage(scores, correct)
    assert coverage == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert accuracy == pytest.approx([1, 1, 1, 1, 0.8])
    assert selective_accuracy(scores, correct, coverage=0.8) == 1.0
    assert selective_accuracy(scores, ~correct, coverage=0.8) == 0.0


def test_equal_confidences_count_as_their_mean_in_any_order() -> None:
    scores = scores_of([0.9, 0.7, 0.7, 0.7, 0.7])
    for wrong in range(1, 5):
        correct = np.arange(5) != wrong
        assert selective_accuracy(scores, correct, coverage=0.8) == pytest.approx((1 + 3 * 0.75) / 4)


def test_at_least_one_prediction_is_kept() -> None:
    assert selective_accuracy(scores_of([0.9, 0.8]), np.array([True, False]), coverage=0.0) == 1.0

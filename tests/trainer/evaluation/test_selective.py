import numpy as np
import pytest
from numpy.typing import NDArray

from mien.trainer.evaluation.selective import (
    lowest_confidence,
    risk_coverage,
    risk_coverage_table,
    selective_accuracy,
)


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


def test_the_table_states_the_risk_of_each_tenth() -> None:
    scores = scores_of([0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45])
    correct = np.arange(10) < 8
    table = dict(risk_coverage_table(scores, correct))
    assert list(table) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert [table[coverage] for coverage in (0.5, 0.8, 0.9, 1.0)] == [0.0, 0.0, 0.1111, 0.2]


def test_the_lowest_confidence_keeps_as_many_as_the_accuracy_allows() -> None:
    scores = scores_of([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([True, False, True, True, False])
    assert lowest_confidence(scores, correct, accuracy=0.75) == pytest.approx((0.6, 0.75, 0.8))
    assert lowest_confidence(scores, correct, accuracy=1.0) == pytest.approx((0.9, 1.0, 0.2))
    assert lowest_confidence(scores, correct, accuracy=0.6) == pytest.approx((0.5, 0.6, 1.0))
    assert lowest_confidence(scores, np.zeros(5, np.bool_), accuracy=0.5) is None


def test_equal_confidences_are_kept_or_left_out_together() -> None:
    scores = scores_of([0.9, 0.7, 0.7])
    for correct in ([True, True, False], [True, False, True]):
        assert lowest_confidence(scores, np.array(correct), accuracy=0.9) == pytest.approx((0.9, 1.0, 1 / 3))

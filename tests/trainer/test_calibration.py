"""Figures against hand-made cases, and against scikit-learn where it has them."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom

from mien.trainer.calibration import expected_calibration_error, temperature, what_counts
from mien.trainer.dataset import Dataset
from mien.trainer.significance import interval_of_share, intervals, mcnemar


def scores_of(confidence: float, count: int) -> np.ndarray:
    """Every answer the first class, as sure as `confidence`."""
    rest = (1 - confidence) / 6
    return np.tile(np.array([confidence] + [rest] * 6, np.float32), (count, 1))


def test_an_answer_as_often_right_as_it_is_sure_has_no_error() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    assert expected_calibration_error(scores_of(0.8, 10), labels) == pytest.approx(0.0, abs=1e-6)


def test_the_error_is_the_gap_weighted_by_pictures() -> None:
    scores = np.concatenate([scores_of(0.9, 10), scores_of(0.5, 30)])
    labels = np.array([0] * 5 + [1] * 5 + [0] * 30)
    assert expected_calibration_error(scores, labels) == pytest.approx(0.25 * 0.4 + 0.75 * 0.5, abs=1e-6)


@pytest.mark.parametrize("true", [0.5, 2.0])
def test_the_temperature_that_scores_were_made_with_is_found_again(true: float) -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (20_000, 7))
    labels = np.array([random.choice(7, p=chances) for chances in softmax(logits, axis=1)])
    overdone = softmax(logits * true, axis=1).astype(np.float32)
    assert temperature(overdone, labels) == pytest.approx(true, rel=0.05)


def test_confidence_is_measured_where_most_people_agree_if_their_votes_were_learned(voted: Dataset) -> None:
    assert what_counts(voted, "mix")[2] == "where most of FER+'s people agree"
    pictures, answers, words = what_counts(voted, "fer")
    assert (len(pictures), words) == (len(voted), "with FER-2013's labels")
    assert np.array_equal(answers, voted.labels)


def test_intervals_hold_what_the_binomial_distribution_says() -> None:
    confusion = np.diag([70] * 7)
    confusion[0, 1] = 10
    count, right = confusion.sum(), 490
    low, high = intervals(confusion)["accuracy"]
    exact = binom.ppf([0.025, 0.975], count, right / count) / count
    assert (low, high) == pytest.approx(tuple(exact), abs=0.003)
    assert interval_of_share(np.arange(500) < 490) == pytest.approx(
        tuple(binom.ppf([0.025, 0.975], 500, 0.98) / 500), abs=0.003
    )


def test_mcnemar_agrees_with_the_sign_test_by_hand() -> None:
    one = np.array([True] * 6 + [False] * 1 + [True] * 20)
    other = np.array([False] * 6 + [True] * 1 + [True] * 20)
    assert mcnemar(one, other) == pytest.approx(2 * (1 + 7) / 2**7)
    assert mcnemar(one, one) == 1.0

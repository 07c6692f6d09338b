"""Intervals and tests against the exact distributions."""

import numpy as np
import pytest
from scipy.stats import binom

from mien.trainer.evaluation.significance import (
    bootstrap_difference_interval,
    bootstrap_intervals,
    bootstrap_share_interval,
    mcnemar_p_value,
)


def test_intervals_agree_with_the_binomial_distribution() -> None:
    confusion = np.diag([70] * 7)
    confusion[0, 1] = 10
    count, correct = confusion.sum(), 490
    low, high = bootstrap_intervals(confusion)["accuracy"]
    exact = binom.ppf([0.025, 0.975], count, correct / count) / count
    assert (low, high) == pytest.approx(tuple(exact), abs=0.003)
    assert bootstrap_share_interval(np.arange(500) < 490) == pytest.approx(
        tuple(binom.ppf([0.025, 0.975], 500, 0.98) / 500), abs=0.003
    )


def test_mcnemar_s_test_agrees_with_the_sign_test_by_hand() -> None:
    first = np.array([True] * 6 + [False] * 1 + [True] * 20)
    second = np.array([False] * 6 + [True] * 1 + [True] * 20)
    assert mcnemar_p_value(first, second) == pytest.approx(2 * (1 + 7) / 2**7)
    assert mcnemar_p_value(first, first) == 1.0


def test_the_interval_of_a_difference_is_that_of_the_images_drawn_in_pairs() -> None:
    random = np.random.default_rng(1)
    second = random.uniform(0, 1, 2000)
    low, high = bootstrap_difference_interval(second + random.normal(0.02, 0.1, 2000), second)
    assert low < 0.02 < high
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / 2000**0.5, rel=0.15)  # the spread of `second` cancels out
    assert bootstrap_difference_interval(second, second) == (0.0, 0.0)

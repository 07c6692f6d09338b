"""How sure a figure is: bootstrap intervals, and McNemar's test between two networks."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

RESAMPLES = 2000
LEVEL = 0.95

Interval = tuple[float, float]


def intervals(confusion: NDArray[np.int64]) -> dict[str, Interval]:
    """95 % percentile bootstrap intervals of accuracy and macro-F1 (Efron, 1979) from a (7, 7) confusion matrix.

    To draw pictures again is to draw from the cells of the matrix by their shares.
    """
    count = int(confusion.sum())
    drawn = np.random.default_rng(0).multinomial(count, confusion.ravel() / count, RESAMPLES)
    matrices = drawn.reshape(-1, *confusion.shape)
    right = np.einsum("ijj->ij", matrices)
    labelled, answered = matrices.sum(axis=2), matrices.sum(axis=1)
    f1 = 2 * right / np.maximum(1, labelled + answered)
    there = confusion.sum(axis=1) > 0
    return {"accuracy": _middle(right.sum(axis=1) / count), "macro_f1": _middle(f1[:, there].mean(axis=1))}


def interval_of_share(right: NDArray[np.bool_]) -> Interval:
    """The same for a share of right answers."""
    drawn = np.random.default_rng(0).binomial(len(right), right.mean(), RESAMPLES)
    return _middle(drawn / len(right))


def mcnemar(right: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The chance of so unequal a number of pictures that only one of two networks answers rightly, were they equal.

    The exact form (McNemar, Psychometrika 1947): a binomial test on those pictures; 1 if there are none.
    """
    only_one, only_other = int((right & ~other).sum()), int((other & ~right).sum())
    return float(binomtest(only_one, only_one + only_other).pvalue) if only_one + only_other else 1.0


def _middle(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return round(float(low), 4), round(float(high), 4)

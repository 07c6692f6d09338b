"""Selective prediction: how much more often a model is right where it is confident."""

import numpy as np
from numpy.typing import NDArray


def risk_coverage(
    scores: NDArray[np.float32], correct: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coverage and accuracy of the most confident 1, 2, ... all predictions (El-Yaniv and Wiener, JMLR 2010).

    `scores` is (count, 7), `correct` (count,). An int8 model has a few hundred different confidences: among equal
    ones, each counts as the mean of all, so that the order of the images does not matter.
    """
    _, groups, group_sizes = np.unique(-scores.max(axis=1), return_inverse=True, return_counts=True)
    group_accuracies = np.bincount(groups, weights=correct) / group_sizes
    ranks = np.arange(1, len(correct) + 1)
    return ranks / len(correct), np.cumsum(np.repeat(group_accuracies, group_sizes)) / ranks


def selective_accuracy(scores: NDArray[np.float32], correct: NDArray[np.bool_], *, coverage: float) -> float:
    """The accuracy of the `coverage`, a share, of the predictions that are the most confident, at least one."""
    _, accuracies = risk_coverage(scores, correct)
    return float(accuracies[max(1, round(coverage * len(correct))) - 1])

"""Selective prediction: how much more often a model is right where it is confident."""

import numpy as np
from numpy.typing import NDArray

COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of a table of risk over coverage."""


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


def risk_coverage_table(scores: NDArray[np.float32], correct: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """The coverages of COVERAGES and the risk, the share that is wrong, at each; as `risk_coverage` otherwise."""
    return [(coverage, round(1 - selective_accuracy(scores, correct, coverage=coverage), 4)) for coverage in COVERAGES]


def lowest_confidence(
    scores: NDArray[np.float32], correct: NDArray[np.bool_], *, accuracy: float
) -> tuple[float, float, float] | None:
    """The lowest confidence from which on at least `accuracy` of the predictions are right; None if there is none.

    Returned with the accuracy and the coverage of the predictions that have at least this confidence.
    """
    confidences, groups, group_sizes = np.unique(-scores.max(axis=1), return_inverse=True, return_counts=True)
    counts = np.cumsum(group_sizes)
    accuracies = np.cumsum(np.bincount(groups, weights=correct)) / counts
    reached = np.flatnonzero(accuracies >= accuracy)
    if not len(reached):
        return None
    last = reached[-1]
    return float(-confidences[last]), float(accuracies[last]), float(counts[last] / len(correct))

"""How certain a metric is: bootstrap intervals, and McNemar's test between two networks."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

RESAMPLE_COUNT = 2000
CONFIDENCE_LEVEL = 0.95

Interval = tuple[float, float]


def bootstrap_intervals(confusion: NDArray[np.int64]) -> dict[str, Interval]:
    """95 % percentile bootstrap intervals of accuracy and macro-F1 (Efron, 1979) from a (7, 7) confusion matrix.

    Resampling the images is the same as drawing from the cells of the matrix by their shares.
    """
    count = int(confusion.sum())
    resamples = np.random.default_rng(0).multinomial(count, confusion.ravel() / count, RESAMPLE_COUNT)
    matrices = resamples.reshape(-1, *confusion.shape)
    correct = np.einsum("ijj->ij", matrices)
    labeled, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    f1 = 2 * correct / np.maximum(1, labeled + predicted)
    has_images = confusion.sum(axis=1) > 0
    return {
        "accuracy": _percentile_interval(correct.sum(axis=1) / count),
        "macro_f1": _percentile_interval(f1[:, has_images].mean(axis=1)),
    }


def bootstrap_share_interval(correct: NDArray[np.bool_]) -> Interval:
    """The 95 % percentile bootstrap interval of a share of correct predictions."""
    resamples = np.random.default_rng(0).binomial(len(correct), correct.mean(), RESAMPLE_COUNT)
    return _percentile_interval(resamples / len(correct))


def bootstrap_difference_interval(first: NDArray[np.float64], second: NDArray[np.float64]) -> Interval:
    """The 95 % percentile bootstrap interval of the mean of `first` - `second`, two (count,) scores of each image.

    Paired: the images are drawn, not the scores, because a model's scores of one image under several corruptions
    depend on each other.
    """
    differences = first - second
    random = np.random.default_rng(0)
    means = [differences[random.integers(0, len(differences), len(differences))].mean() for _ in range(RESAMPLE_COUNT)]
    return _percentile_interval(np.array(means))


def mcnemar_p_value(first_correct: NDArray[np.bool_], second_correct: NDArray[np.bool_]) -> float:
    """The p-value of McNemar's test: are two networks equally often right on the images where only one is right?

    The exact form (McNemar, Psychometrika 1947): a binomial test on those images; 1 if there are none.
    """
    only_first = int((first_correct & ~second_correct).sum())
    only_second = int((second_correct & ~first_correct).sum())
    return float(binomtest(only_first, only_first + only_second).pvalue) if only_first + only_second else 1.0


def _percentile_interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return round(float(low), 4), round(float(high), 4)

"""What a network learns to predict: FER-2013's labels, FER+'s votes, or half of each, and labels smoothed."""

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.trainer.recipe import LabelSource

from .dataset import Dataset

PEOPLE_S_VOTES = np.array(
    [
        [0.406, 0.045, 0.024, 0.048, 0.109, 0.068, 0.301],
        [0.204, 0.308, 0.030, 0.040, 0.211, 0.034, 0.172],
        [0.096, 0.017, 0.140, 0.041, 0.239, 0.156, 0.312],
        [0.005, 0.002, 0.003, 0.878, 0.006, 0.031, 0.074],
        [0.038, 0.012, 0.012, 0.023, 0.437, 0.019, 0.458],
        [0.019, 0.005, 0.082, 0.085, 0.020, 0.681, 0.108],
        [0.017, 0.006, 0.003, 0.090, 0.104, 0.019, 0.762],
    ],
    np.float32,
)
"""What ten people saw, a column each, in FER-2013's Training images with each label, a row each: mean shares of their
votes for the seven emotions, in the order of EMOTIONS. Computed from fer2013new.csv (Barsoum et al., ICMI 2016)."""


def one_hot(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(count,) class indices as (count, 7) one-hot rows."""
    return np.eye(len(EMOTIONS), dtype=np.float32)[labels]


def target_distributions(data: Dataset, labels: LabelSource) -> NDArray[np.float32]:
    """(count, 7) target distributions.

    fer: the label alone. ferplus: the shares of the votes, as in label distribution learning (Geng, IEEE TKDE 2016;
    on FER+ Barsoum et al., ICMI 2016, by cross-entropy). mix: the mean of both. Where nobody voted for one of the
    seven emotions, the label alone is the target. DataError if FER+ is needed and was not read.
    """
    label_targets = one_hot(data.labels)
    if labels == "fer":
        return label_targets
    if data.votes is None:
        raise DataError(f"{labels} labels need FER+: give --ferplus the path of fer2013new.csv")
    totals = data.votes.sum(axis=1, keepdims=True)
    shares: NDArray[np.float32] = np.divide(data.votes, totals, out=label_targets.copy(), where=totals > 0)
    return shares if labels == "ferplus" else (label_targets + shares) / np.float32(2)


def smooth_along_confusions(targets: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """(count, 7) targets of which each emotion gives `share` to those that people see in its place.

    Label smoothing (Szegedy et al., CVPR 2016) that is not even: most of fear's goes to neutral, sad and surprise.
    """
    others = PEOPLE_S_VOTES * (1 - np.eye(len(PEOPLE_S_VOTES), dtype=np.float32))
    others /= others.sum(axis=1, keepdims=True)
    smoothed: NDArray[np.float32] = ((1 - share) * targets + share * (targets @ others)).astype(np.float32)
    return smoothed


def image_weights(targets: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """(count,) weights in the loss, with mean 1: each class weighs its frequency to the power of -`power`.

    0 leaves the classes as frequent as they are, 1 gives all the same weight; values between help rare classes
    without drowning the others (Cui et al., CVPR 2019, count 'effective' numbers for the same reason).
    """
    class_shares = targets.mean(axis=0)
    class_weights = np.where(class_shares > 0, np.maximum(class_shares, 1e-6) ** -power, 0.0)
    weights: NDArray[np.float32] = (targets @ class_weights).astype(np.float32)
    weights /= weights.mean()
    return weights

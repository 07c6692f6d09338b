"""What a network shall answer: FER-2013's labels, FER+'s votes, or half of each."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import DataError

from .dataset import Dataset

Labels = Literal["fer", "ferplus", "mix"]


def one_hot(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(count,) class numbers as (count, 7) rows with a single one."""
    return np.eye(len(EMOTIONS), dtype=np.float32)[labels]


def targets(data: Dataset, labels: Labels) -> NDArray[np.float32]:
    """(count, 7) target distributions.

    fer: the label alone. ferplus: the shares of the votes, as in label distribution learning (Geng, IEEE TKDE 2016;
    on FER+ Barsoum et al., ICMI 2016, by cross-entropy). mix: the mean of both. The label alone is the answer where
    nobody voted for one of the seven emotions. DataError if FER+ is needed and was not read.
    """
    certain = one_hot(data.labels)
    if labels == "fer":
        return certain
    if data.votes is None:
        raise DataError(f"{labels} labels need FER+: give --ferplus the path of fer2013new.csv")
    totals = data.votes.sum(axis=1, keepdims=True)
    shares: NDArray[np.float32] = np.divide(data.votes, totals, out=certain.copy(), where=totals > 0)
    return shares if labels == "ferplus" else (certain + shares) / np.float32(2)


def picture_weights(targets: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """(count,) weights in the loss, their mean 1: each class by its frequency to the power of -`power`.

    0 leaves the classes as frequent as they are, 1 makes them all weigh the same; between lies what rare classes gain
    without drowning the others (Cui et al., CVPR 2019, for the same reason count 'effective' numbers).
    """
    shares = targets.mean(axis=0)
    classes = np.where(shares > 0, np.maximum(shares, 1e-6) ** -power, 0.0)
    weights: NDArray[np.float32] = (targets @ classes).astype(np.float32)
    weights /= weights.mean()
    return weights

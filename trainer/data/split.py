"""Splits the Training images into those to train on and those held out."""

import numpy as np

from mien.errors import DataError

from .dataset import Dataset
from .duplicates import content_ids, occur_in

HELD_OUT_SHARE = 0.1


def split_held_out(data: Dataset, *, seed: int) -> tuple[Dataset, Dataset]:
    """Split the Training images into a train set and a held-out set, on which checkpoint and temperature are chosen.

    A tenth is drawn by `seed`. Images that also occur in another split of `data` are dropped from it, and its own
    images are dropped from the train set, so that choices made on it reveal nothing about the train or the test
    images. DataError if either set is empty.
    """
    training = data.split("Training")
    other_images = data.images[data.splits != "Training"]
    ids = content_ids(training.images)
    drawn = np.zeros(len(training), np.bool_)
    count = max(1, round(len(training) * HELD_OUT_SHARE))
    drawn[np.random.default_rng((seed, len(training))).choice(len(training), count, replace=False)] = True
    held_out = drawn & ~occur_in(training.images, other_images)
    train_set = ~drawn & ~np.isin(ids, ids[held_out])
    if not held_out.any() or not train_set.any():
        raise DataError(f"{data.name} has too few Training images that occur in no other split: add images")
    return training.select(train_set), training.select(held_out)


def split_labelled(data: Dataset, share: float, *, seed: int) -> tuple[Dataset, Dataset]:
    """Split a dataset into those whose labels count, a `share` of each emotion (at least one), and the others."""
    random = np.random.default_rng((seed, len(data), 2))
    labelled = np.zeros(len(data), np.bool_)
    for label in np.unique(data.labels):
        (indices,) = np.nonzero(data.labels == label)
        labelled[random.permutation(indices)[: max(1, round(share * len(indices)))]] = True
    return data.select(labelled), data.select(~labelled)

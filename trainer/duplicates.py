"""Pictures that stand more than once in a dataset, byte for byte."""

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError

from .dataset import Dataset

HELD_OUT_SHARE = 0.1


def identities(pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(count,) numbers that are equal where (count, 48, 48) pictures are equal pixel for pixel."""
    rows = np.ascontiguousarray(pictures).reshape(len(pictures), -1)
    whole = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    return np.unique(whole, return_inverse=True)[1].astype(np.int64)


def standing_in(pictures: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of `pictures` are also among `others`: a (count,) mask."""
    numbers = identities(np.concatenate([pictures, others]))
    return np.isin(numbers[: len(pictures)], numbers[len(pictures) :])


def hold_out(data: Dataset, *, seed: int) -> tuple[Dataset, Dataset]:
    """Part the Training pictures in those to learn from and those to choose checkpoint and temperature on.

    A tenth is drawn by `seed`; of it those are left out that also stand in another split of `data`, and no picture to
    learn from is also held out, so that choosing on the second part tells nothing of either the first or the test.
    DataError if a part is empty.
    """
    training = data.split("Training")
    others = data.pictures[data.usages != "Training"]
    numbers = identities(training.pictures)
    drawn = np.zeros(len(training), np.bool_)
    count = max(1, round(len(training) * HELD_OUT_SHARE))
    drawn[np.random.default_rng((seed, len(training))).choice(len(training), count, replace=False)] = True
    held_out = drawn & ~standing_in(training.pictures, others)
    learned = ~drawn & ~np.isin(numbers, numbers[held_out])
    if not held_out.any() or not learned.any():
        raise DataError(f"{data.name} has too few Training pictures that stand in no other split: add pictures")
    return training.only(learned), training.only(held_out)


def duplicates_across(data: Dataset) -> dict[str, int]:
    """How many pictures of each split also stand in another, keyed 'PublicTest in Training' and so on."""
    numbers = identities(data.pictures)
    splits = list(dict.fromkeys(data.usages.tolist()))
    found = {}
    for split in splits:
        for other in splits:
            if split != other:
                copies = np.isin(numbers[data.usages == split], numbers[data.usages == other])
                found[f"{split} in {other}"] = int(copies.sum())
    return found

"""Finds images that occur more than once in a dataset, pixel for pixel."""

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset


def content_ids(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(count,) numbers that are equal where (count, 48, 48) images are equal pixel for pixel."""
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    pixels = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    return np.unique(pixels, return_inverse=True)[1].astype(np.int64)


def occur_in(images: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """A (count,) mask of the `images` that also occur in `reference`."""
    ids = content_ids(np.concatenate([images, reference]))
    return np.isin(ids[: len(images)], ids[len(images) :])


def duplicates_across_splits(data: Dataset) -> dict[str, int]:
    """How many images of each split also occur in another, keyed 'PublicTest in Training' and so on."""
    ids = content_ids(data.images)
    counts = {}
    for split in data.split_names():
        for other_split in data.split_names():
            if split != other_split:
                copies = np.isin(ids[data.splits == split], ids[data.splits == other_split])
                counts[f"{split} in {other_split}"] = int(copies.sum())
    return counts

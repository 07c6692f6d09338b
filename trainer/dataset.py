"""Labelled pictures in memory, with the split each belongs to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Grey 48x48 pictures with one emotion each."""

    name: str
    """Where the pictures come from, for reports and the model card."""
    pictures: NDArray[np.uint8]
    """(count, 48, 48), as read: not yet prepared."""
    labels: NDArray[np.uint8]
    """(count,), places in `mien.emotions.EMOTIONS`."""
    usages: NDArray[np.str_]
    """(count,), the split of each picture: Training, PublicTest, PrivateTest or Test."""
    targets: NDArray[np.float32] | None = None
    """(count, 7), what a network shall answer where that is not the label alone."""

    def split(self, usage: str) -> "Dataset":
        """Only the pictures of one split, in their order. DataError names the splits there are."""
        chosen = self.usages == usage
        if not chosen.any():
            there = ", ".join(sorted(set(self.usages.tolist())))
            raise DataError(f"{self.name} has no {usage} pictures, it has {there}: name another split or another file")
        return Dataset(
            name=self.name,
            pictures=self.pictures[chosen],
            labels=self.labels[chosen],
            usages=self.usages[chosen],
            targets=None if self.targets is None else self.targets[chosen],
        )

    def test_usage(self) -> str:
        """The split to report on: PublicTest, or Test of the folder form, which has no PublicTest of its own."""
        return "PublicTest" if "PublicTest" in self.usages else "Test"

    def __len__(self) -> int:
        return len(self.labels)

"""Labelled pictures in memory, with the split each belongs to."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
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
    """(count,), the split of each picture: Training, PublicTest, PrivateTest, Test or Validation."""
    votes: NDArray[np.float32] | None = None
    """(count, 7), how many of FER+'s ten people chose each emotion, where FER+ was read."""
    skipped: tuple[str, ...] = ()
    """The files that were left out, each with the reason."""
    test_only: bool = False
    """True where the pictures' licence or number allows no training: CK+ and JAFFE."""

    def split(self, usage: str) -> "Dataset":
        """Only the pictures of one split, in their order. DataError names the splits there are."""
        chosen = self.usages == usage
        if not chosen.any():
            there = ", ".join(sorted(set(self.usages.tolist())))
            raise DataError(f"{self.name} has no {usage} pictures, it has {there}: name another split or another file")
        return self.only(chosen)

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Dataset":
        """The pictures that a (count,) mask or list of places chooses."""
        return replace(
            self,
            pictures=self.pictures[chosen],
            labels=self.labels[chosen],
            usages=self.usages[chosen],
            votes=None if self.votes is None else self.votes[chosen],
        )

    def test_usage(self) -> str:
        """The split to report on: the first there is of PublicTest, Test, PrivateTest, Validation; else the first."""
        for usage in ("PublicTest", "Test", "PrivateTest", "Validation"):
            if usage in self.usages:
                return usage
        return str(self.usages[0])

    def counts(self) -> list[int]:
        """Pictures of each emotion, in the order of EMOTIONS."""
        return [int((self.labels == label).sum()) for label in range(len(EMOTIONS))]

    def digest(self) -> str:
        """SHA-256 of pictures, labels, splits and votes: equal for equal data, whatever file it came in."""
        parts = [self.pictures, self.labels, np.array("\n".join(self.usages.tolist()).encode())]
        found = hashlib.sha256()
        for part in [*parts, self.votes] if self.votes is not None else parts:
            found.update(np.ascontiguousarray(part).tobytes())
        return found.hexdigest()

    def check_every_emotion(self) -> None:
        """DataError names the emotions that have no picture: nothing can be learned of them."""
        missing = [emotion for emotion, count in zip(EMOTIONS, self.counts(), strict=True) if not count]
        if missing:
            raise DataError(
                f"{self.name} has no {' and no '.join(missing)} pictures to learn from: "
                f"training needs all of {', '.join(EMOTIONS)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

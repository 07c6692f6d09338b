"""Labeled images in memory, each with the split that it belongs to."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import DataError

from .split_names import split_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Gray 48x48 images with one emotion each."""

    name: str
    """Where the images come from, for reports and the model card."""
    images: NDArray[np.uint8]
    """(count, 48, 48), as read: not yet preprocessed."""
    labels: NDArray[np.uint8]
    """(count,), indices into `mien.emotions.EMOTIONS`."""
    splits: NDArray[np.str_]
    """(count,), the split of each image: Training, PublicTest, PrivateTest, Test or Validation."""
    votes: NDArray[np.float32] | None = None
    """(count, 7), how many of FER+'s ten people chose each emotion; None if FER+ was not read."""
    skipped: tuple[str, ...] = ()
    """The files that were skipped, each with the reason."""
    test_only: bool = False
    """True if the images' license or small number rules out training: CK+ and JAFFE."""

    def split(self, name: str) -> "Dataset":
        """The images of one split, by any of its names, in their order. DataError lists the existing splits."""
        name = split_name(name)
        selected = self.splits == name
        if not selected.any():
            existing = ", ".join(sorted(set(self.splits.tolist())))
            raise DataError(f"{self.name} has no {name} images, only {existing}: name another split or another file")
        return self.select(selected)

    def select(self, selection: NDArray[np.bool_] | NDArray[np.int64]) -> "Dataset":
        """The images that a (count,) mask or an array of indices selects."""
        return replace(
            self,
            images=self.images[selection],
            labels=self.labels[selection],
            splits=self.splits[selection],
            votes=None if self.votes is None else self.votes[selection],
        )

    def split_names(self) -> list[str]:
        """The existing splits, in the order of their first images."""
        return list(dict.fromkeys(self.splits.tolist()))

    def test_split(self) -> str:
        """The split to report on: PublicTest, else Test, else PrivateTest, else Validation, else the first one."""
        for name in ("PublicTest", "Test", "PrivateTest", "Validation"):
            if name in self.splits:
                return name
        return str(self.splits[0])

    def emotion_counts(self) -> list[int]:
        """The number of images of each emotion, in the order of EMOTIONS."""
        return [int((self.labels == label).sum()) for label in range(len(EMOTIONS))]

    def digest(self) -> str:
        """SHA-256 of images, labels, splits and votes: equal for equal data, whatever file it was read from."""
        arrays = [self.images, self.labels, np.array("\n".join(self.splits.tolist()).encode())]
        sha256 = hashlib.sha256()
        for array in [*arrays, self.votes] if self.votes is not None else arrays:
            sha256.update(np.ascontiguousarray(array).tobytes())
        return sha256.hexdigest()

    def check_every_emotion(self) -> None:
        """DataError lists the emotions without images, which cannot be learned."""
        missing = [emotion for emotion, count in zip(EMOTIONS, self.emotion_counts(), strict=True) if not count]
        if missing:
            raise DataError(
                f"{self.name} has no {' and no '.join(missing)} images to learn from: "
                f"training needs all of {', '.join(EMOTIONS)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

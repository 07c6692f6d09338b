"""Training data as Keras takes it, batch by batch; every batch follows from (seed, epoch, index) alone."""

import keras
import numpy as np
from numpy.typing import NDArray

from mien.preprocessing import prepare

from .augmentation import Augmentation

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Pictures (count, 48, 48, 1), targets (count, 7) and weights (count,)."""


def network_input(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Prepare (count, 48, 48) pictures as the network's input: (count, 48, 48, 1) float32 from 0 to 255."""
    return np.stack([prepare(picture) for picture in pictures])[..., np.newaxis].astype(np.float32)


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # keras ships no types
    """Shuffled, augmented batches. Set `epoch` before each epoch: it and `seed` decide order and augmentation.

    All batches are of one size, so that devices can share them and nothing is compiled twice: what is left over of an
    epoch's order is left out of it.
    """

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        *,
        batch_size: int,
        seed: int,
        augmentation: Augmentation,
        mixup: float = 0.0,
    ) -> None:
        """`mixup` is the alpha of the Beta distribution that pictures are blended by (Zhang et al., ICLR 2018)."""
        super().__init__()
        self.epoch = 0
        self._pictures = pictures
        self._targets = targets
        self._weights = weights
        self._batch_size = min(batch_size, len(pictures))
        self._seed = seed
        self._augmentation = augmentation
        self._mixup = mixup

    def __len__(self) -> int:
        return len(self._pictures) // self._batch_size

    def __getitem__(self, index: int) -> Batch:
        order = np.random.default_rng((self._seed, self.epoch)).permutation(len(self._pictures))
        chosen = order[index * self._batch_size : (index + 1) * self._batch_size]
        random = np.random.default_rng((self._seed, self.epoch, index + 1))
        pictures = network_input(np.stack([self._augmentation(picture, random) for picture in self._pictures[chosen]]))
        batch = pictures, self._targets[chosen], self._weights[chosen]
        return self._mixed(batch, random) if self._mixup else batch

    def _mixed(self, batch: Batch, random: np.random.Generator) -> Batch:
        """Each picture, target and weight blended with those of another of the batch."""
        pictures, targets, weights = batch
        share = random.beta(self._mixup, self._mixup, len(pictures)).astype(np.float32)
        other = random.permutation(len(pictures))
        return (
            _blend(pictures, pictures[other], share[:, np.newaxis, np.newaxis, np.newaxis]),
            _blend(targets, targets[other], share[:, np.newaxis]),
            _blend(weights, weights[other], share),
        )


def _blend(one: NDArray[np.float32], other: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    return share * one + (1 - share) * other

"""Serves training data to Keras in batches; every batch is determined by (seed, epoch, index) alone."""

import keras
import numpy as np
from numpy.typing import NDArray

from mien.model.preprocessing import preprocess
from mien.trainer.recipe import Recipe

from .augmentation import augment

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Images (count, 48, 48, 1), targets (count, 7) and weights (count,)."""


def to_network_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Preprocess (count, 48, 48) images into the network's input: (count, 48, 48, 1) float32 from 0 to 255."""
    return np.stack([preprocess(image) for image in images])[..., np.newaxis].astype(np.float32)


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # keras ships no types
    """Shuffled, augmented batches. Set `epoch` before each epoch: with the recipe's seed it determines order and
    augmentation.

    All batches have the same size, so that devices can share them and nothing is compiled twice: the remainder of an
    epoch's order is dropped.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        recipe: Recipe,
    ) -> None:
        super().__init__()
        self.epoch = 0
        self._images = images
        self._targets = targets
        self._weights = weights
        self._recipe = recipe
        self._batch_size = min(recipe.batch_size, len(images))

    def __len__(self) -> int:
        return len(self._images) // self._batch_size

    def __getitem__(self, index: int) -> Batch:
        order = np.random.default_rng((self._recipe.seed, self.epoch)).permutation(len(self._images))
        selected = order[index * self._batch_size : (index + 1) * self._batch_size]
        random = np.random.default_rng((self._recipe.seed, self.epoch, index + 1))
        images = to_network_input(np.stack([augment(image, self._recipe, random) for image in self._images[selected]]))
        batch = images, self._targets[selected], self._weights[selected]
        return self._blend_with_shuffled(batch, random) if self._recipe.mixup else batch

    def _blend_with_shuffled(self, batch: Batch, random: np.random.Generator) -> Batch:
        """Each image, target and weight blended with those of a random partner from the batch."""
        images, targets, weights = batch
        shares = random.beta(self._recipe.mixup, self._recipe.mixup, len(images)).astype(np.float32)
        partners = random.permutation(len(images))
        return (
            _blend(images, images[partners], shares[:, np.newaxis, np.newaxis, np.newaxis]),
            _blend(targets, targets[partners], shares[:, np.newaxis]),
            _blend(weights, weights[partners], shares),
        )


def _blend(first: NDArray[np.float32], second: NDArray[np.float32], shares: NDArray[np.float32]) -> NDArray[np.float32]:
    return shares * first + (1 - shares) * second

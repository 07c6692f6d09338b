"""Training data as Keras takes it, batch by batch; every batch follows from (seed, epoch, index) alone."""

import keras
import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.preprocessing import prepare

from .augmentation import Augmentation
from .dataset import Dataset


def network_input(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Prepare (count, 48, 48) pictures as the network's input: (count, 48, 48, 1) float32 from 0 to 255."""
    return np.stack([prepare(picture) for picture in pictures])[..., np.newaxis].astype(np.float32)


def one_hot(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(count,) class numbers as (count, 7) rows with a single one."""
    return np.eye(len(EMOTIONS), dtype=np.float32)[labels]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # keras ships no types
    """Shuffled, augmented batches. Set `epoch` before each epoch: it and `seed` decide order and augmentation."""

    def __init__(self, data: Dataset, *, batch_size: int, seed: int, augmentation: Augmentation) -> None:
        super().__init__()
        self.epoch = 0
        self._data = data
        self._targets = one_hot(data.labels) if data.targets is None else data.targets
        self._batch_size = batch_size
        self._seed = seed
        self._augmentation = augmentation

    def __len__(self) -> int:
        return -(-len(self._data) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        order = np.random.default_rng((self._seed, self.epoch)).permutation(len(self._data))
        chosen = order[index * self._batch_size : (index + 1) * self._batch_size]
        random = np.random.default_rng((self._seed, self.epoch, index + 1))
        pictures = np.stack([self._augmentation(picture, random) for picture in self._data.pictures[chosen]])
        return network_input(pictures), self._targets[chosen]

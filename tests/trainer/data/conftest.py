"""Datasets of the data tests."""

import numpy as np
import pytest

from mien.trainer.data.dataset import Dataset


@pytest.fixture
def data_with_copies() -> Dataset:
    """100 Training images, two of them equal, and four PublicTest images, two of them copies of Training images."""
    images = np.random.default_rng(1).integers(0, 256, (104, 48, 48)).astype(np.uint8)
    images[1] = images[0]
    images[100] = images[5]
    images[101] = images[6]
    splits = np.array(["Training"] * 100 + ["PublicTest"] * 4)
    return Dataset(name="copies", images=images, labels=np.arange(104, dtype=np.uint8) % 7, splits=splits)

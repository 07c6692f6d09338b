import numpy as np
import pytest

from mien.errors import DataError
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.duplicates import occur_in
from mien.trainer.data.split import split_held_out


def test_held_out_images_occur_neither_in_the_test_set_nor_in_the_train_set(data_with_copies: Dataset) -> None:
    for seed in range(20):
        train_set, held_out = split_held_out(data_with_copies, seed=seed)
        assert not occur_in(held_out.images, train_set.images).any()
        assert not occur_in(held_out.images, data_with_copies.split("PublicTest").images).any()
        assert 8 <= len(held_out) <= 10
        assert 89 <= len(train_set) <= 90


def test_the_seed_determines_the_held_out_images(data_with_copies: Dataset) -> None:
    first, same_seed, other_seed = (split_held_out(data_with_copies, seed=seed)[1].images for seed in (1, 1, 2))
    assert np.array_equal(first, same_seed)
    assert not np.array_equal(first, other_seed)


def test_data_without_images_to_hold_out_are_refused(data_with_copies: Dataset) -> None:
    copies_only = data_with_copies.select(np.array([5, 100]))  # one Training image and its copy in PublicTest
    with pytest.raises(DataError, match="has too few Training images that occur in no other split"):
        split_held_out(copies_only, seed=1)

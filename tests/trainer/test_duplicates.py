import numpy as np
import pytest

from mien.errors import DataError
from mien.trainer.dataset import Dataset
from mien.trainer.duplicates import duplicates_across, hold_out, identities, standing_in


def with_copies(training: int = 100) -> Dataset:
    """Training pictures of which two are alike, and a test of four with two copies of Training pictures."""
    random = np.random.default_rng(1)
    pictures = random.integers(0, 256, (training + 4, 48, 48)).astype(np.uint8)
    pictures[1] = pictures[0]
    pictures[training] = pictures[5]
    pictures[training + 1] = pictures[6]
    usages = np.array(["Training"] * training + ["PublicTest"] * 4)
    return Dataset(name="copies", pictures=pictures, labels=np.arange(len(usages), dtype=np.uint8) % 7, usages=usages)


def test_equal_pictures_have_equal_numbers_and_a_changed_pixel_another() -> None:
    pictures = np.zeros((3, 48, 48), np.uint8)
    pictures[2, 47, 47] = 1
    numbers = identities(pictures)
    assert numbers[0] == numbers[1] != numbers[2]


def test_copies_across_splits_are_counted_both_ways() -> None:
    assert duplicates_across(with_copies()) == {"Training in PublicTest": 2, "PublicTest in Training": 2}


def test_what_is_held_out_stands_neither_in_the_test_nor_in_what_is_learned() -> None:
    data = with_copies()
    for seed in range(20):
        learned, held_out = hold_out(data, seed=seed)
        assert not standing_in(held_out.pictures, learned.pictures).any()
        assert not standing_in(held_out.pictures, data.split("PublicTest").pictures).any()
        assert 8 <= len(held_out) <= 10
        assert 89 <= len(learned) <= 90


def test_what_is_held_out_follows_from_the_seed() -> None:
    data = with_copies()
    one, again, other = (hold_out(data, seed=seed)[1].pictures for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_data_of_which_nothing_can_be_held_out_are_refused() -> None:
    data = with_copies()
    everywhere = data.only(np.array([5, 100]))  # one Training picture and its copy in PublicTest
    with pytest.raises(DataError, match="has too few Training pictures that stand in no other split"):
        hold_out(everywhere, seed=1)

import numpy as np
import pytest

from mien.trainer.augmentation import Augmentation
from mien.trainer.batches import Batches, network_input, one_hot
from mien.trainer.dataset import Dataset

STILL = Augmentation(rotation_degrees=0, scale=0, shift_pixels=0)


def test_the_mirror_is_the_only_change_when_all_ranges_are_zero() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.uint8)
    random = np.random.default_rng(1)
    seen = [STILL(picture, random) for _ in range(40)]
    same = [np.array_equal(changed, picture) for changed in seen]
    mirrored = [np.array_equal(changed, picture[:, ::-1]) for changed in seen]
    assert all(one != other for one, other in zip(same, mirrored, strict=True))
    assert 8 < sum(mirrored) < 32


def test_a_shift_moves_the_picture_by_no_more_than_its_range() -> None:
    picture = np.zeros((48, 48), np.uint8)
    picture[22:26, 22:26] = 255
    random = np.random.default_rng(1)
    for _ in range(50):
        rows, columns = np.nonzero(Augmentation(rotation_degrees=0, scale=0, shift_pixels=4)(picture, random) > 128)
        assert abs(rows.mean() - 23.5) <= 5
        assert abs(columns.mean() - 23.5) <= 5


def test_erasing_covers_a_tenth_to_a_quarter_with_noise() -> None:
    erase = Augmentation(rotation_degrees=0, scale=0, shift_pixels=0, erased_share=1.0)
    for seed in range(20):
        changed = erase(np.zeros((48, 48), np.uint8), np.random.default_rng(seed))
        assert 0.08 < (changed > 0).mean() < 0.28


@pytest.fixture
def batches(data: Dataset) -> Batches:
    return Batches(data.split("Training"), batch_size=64, seed=1, augmentation=Augmentation())


def test_a_batch_follows_from_seed_epoch_and_index(batches: Batches, data: Dataset) -> None:
    again = Batches(data.split("Training"), batch_size=64, seed=1, augmentation=Augmentation())
    assert np.array_equal(batches[1][0], again[1][0])
    again.epoch = 1
    assert not np.array_equal(batches[1][0], again[1][0])


def test_an_epoch_has_every_picture_once(batches: Batches) -> None:
    assert len(batches) == 3
    labels = np.concatenate([batches[index][1] for index in range(3)])
    assert labels.sum(axis=0).tolist() == [20] * 7


def test_the_network_sees_what_the_device_sees(data: Dataset) -> None:
    pictures = network_input(data.pictures[:2])
    assert pictures.shape == (2, 48, 48, 1)
    assert (pictures.dtype, one_hot(data.labels[:2]).tolist()[1][1]) == (np.float32, 1.0)
    assert 100 < pictures.mean() < 156

import numpy as np
import pytest

from mien.trainer.augmentation import Augmentation
from mien.trainer.batches import Batches, network_input
from mien.trainer.dataset import Dataset
from mien.trainer.targets import one_hot

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


def batches_of(data: Dataset, mixup: float = 0.0) -> Batches:
    training = data.split("Training")
    goals = one_hot(training.labels)
    weights = np.ones(len(training), np.float32)
    return Batches(training.pictures, goals, weights, batch_size=28, seed=1, augmentation=Augmentation(), mixup=mixup)


def test_a_batch_follows_from_seed_epoch_and_index(data: Dataset) -> None:
    batches, again = batches_of(data), batches_of(data)
    assert np.array_equal(batches[1][0], again[1][0])
    again.epoch = 1
    assert not np.array_equal(batches[1][0], again[1][0])


def test_an_epoch_has_every_picture_once(data: Dataset) -> None:
    batches = batches_of(data)
    assert len(batches) == 5
    goals = np.concatenate([batches[index][1] for index in range(5)])
    assert goals.sum(axis=0).tolist() == [20] * 7


def test_batches_are_of_one_size_and_never_larger_than_the_data(data: Dataset) -> None:
    few = data.split("PublicTest")
    goals, weights = one_hot(few.labels), np.ones(len(few), np.float32)
    for size, sizes in ((8, [8] * 4), (64, [35])):
        batches = Batches(few.pictures, goals, weights, batch_size=size, seed=1, augmentation=Augmentation())
        assert [len(batches[index][0]) for index in range(len(batches))] == sizes


def test_mixup_blends_pictures_and_answers_alike(data: Dataset) -> None:
    plain, mixed = batches_of(data)[0], batches_of(data, mixup=0.4)[0]
    assert mixed[1].sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    shares = mixed[1][plain[1] == 1]
    blended = np.flatnonzero((shares > 0.1) & (shares < 0.9))
    assert len(blended)
    for place in blended:
        other = (mixed[0][place] - shares[place] * plain[0][place]) / (1 - shares[place])
        assert min(np.abs(other - picture).max() for picture in plain[0]) < 0.1
    assert mixed[2] == pytest.approx(1.0, abs=1e-5)


def test_the_network_sees_what_the_device_sees(data: Dataset) -> None:
    pictures = network_input(data.pictures[:2])
    assert pictures.shape == (2, 48, 48, 1)
    assert (pictures.dtype, one_hot(data.labels[:2]).tolist()[1][1]) == (np.float32, 1.0)
    assert 100 < pictures.mean() < 156

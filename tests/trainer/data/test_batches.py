import numpy as np
import pytest

from mien.trainer.data.batches import Batches, to_network_input
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.targets import one_hot
from mien.trainer.recipe import Recipe


def make_batches(data: Dataset, mixup: float = 0.0) -> Batches:
    training = data.split("Training")
    targets = one_hot(training.labels)
    weights = np.ones(len(training), np.float32)
    return Batches(training.images, targets, weights, Recipe(batch_size=28, mixup=mixup))


def test_a_batch_is_determined_by_seed_epoch_and_index(data: Dataset) -> None:
    first, second = make_batches(data), make_batches(data)
    assert np.array_equal(first[1][0], second[1][0])
    second.epoch = 1
    assert not np.array_equal(first[1][0], second[1][0])


def test_an_epoch_has_every_image_once(data: Dataset) -> None:
    batches = make_batches(data)
    assert len(batches) == 5
    targets = np.concatenate([batches[index][1] for index in range(5)])
    assert targets.sum(axis=0).tolist() == [20] * 7


def test_batches_have_the_same_size_and_are_never_larger_than_the_data(data: Dataset) -> None:
    public_test = data.split("PublicTest")
    targets, weights = one_hot(public_test.labels), np.ones(len(public_test), np.float32)
    for batch_size, sizes in ((8, [8] * 4), (64, [35])):
        batches = Batches(public_test.images, targets, weights, Recipe(batch_size=batch_size))
        assert [len(batches[index][0]) for index in range(len(batches))] == sizes


def test_mixup_blends_images_and_targets_alike(data: Dataset) -> None:
    plain_images, plain_targets, _ = make_batches(data)[0]
    mixed_images, mixed_targets, mixed_weights = make_batches(data, mixup=0.4)[0]
    assert mixed_targets.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    shares = mixed_targets[plain_targets == 1]
    blended = np.flatnonzero((shares > 0.1) & (shares < 0.9))
    assert len(blended)
    for index in blended:
        partner = (mixed_images[index] - shares[index] * plain_images[index]) / (1 - shares[index])
        assert min(np.abs(partner - image).max() for image in plain_images) < 0.1
    assert mixed_weights == pytest.approx(1.0, abs=1e-5)


def test_the_network_gets_the_same_input_as_on_the_device(data: Dataset) -> None:
    images = to_network_input(data.images[:2])
    assert images.shape == (2, 48, 48, 1)
    assert images.dtype == np.float32
    assert one_hot(data.labels[:2]).tolist()[1][1] == 1.0
    assert 100 < images.mean() < 156

import numpy as np
import pytest

from mien.trainer.models.gabor import ORIENTATIONS, gabor_cnn, gabor_filters

pytestmark = pytest.mark.timeout(1200)


def test_a_filter_answers_to_its_own_orientation_and_wavelength() -> None:
    bank = gabor_filters()
    rows, columns = np.mgrid[-5:6, -5:6]
    for index in range(0, bank.shape[-1], 2):  # the even ones
        wavelength = 4.0 if index < 2 * ORIENTATIONS else 8.0
        angle = np.pi * (index // 2 % ORIENTATIONS) / ORIENTATIONS
        waves = np.cos(2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / wavelength)
        responses = np.einsum("yxf,yx->f", bank[:, :, 0, ::2], waves)
        assert responses.argmax() == index // 2
    assert np.abs(bank.sum(axis=(0, 1))).max() < 1e-5


def test_the_filters_stay_as_they_are_in_training() -> None:
    network = gabor_cnn()
    network.compile("adam", "categorical_crossentropy")
    images = np.random.default_rng(1).uniform(0, 255, (8, 48, 48, 1)).astype(np.float32)
    network.train_on_batch(images, np.eye(7, dtype=np.float32)[np.arange(8) % 7])
    assert np.array_equal(network.get_layer("gabor").get_weights()[0], gabor_filters())

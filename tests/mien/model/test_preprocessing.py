import numpy as np
import pytest

from mien.model.preprocessing import preprocess


@pytest.mark.parametrize("shape", [(48, 48), (31, 31), (200, 180)])
def test_every_crop_becomes_48_by_48_with_the_same_brightness_and_contrast(shape: tuple[int, int]) -> None:
    crop = (90 + 20 * np.sin(np.linspace(0, 12, shape[1])) * np.ones(shape)).astype(np.uint8)
    preprocessed = preprocess(crop)
    assert preprocessed.shape == (48, 48)
    assert preprocessed.dtype == np.uint8
    assert abs(preprocessed.mean() - 128) < 3
    assert abs(preprocessed.std() - 64) < 4


def test_the_lighting_of_the_room_makes_no_difference() -> None:
    crop = np.random.default_rng(1).integers(60, 160, (48, 48)).astype(np.uint8)
    darker = (crop * 0.5).astype(np.uint8)
    assert np.abs(preprocess(crop).astype(int) - preprocess(darker)).max() <= 3


def test_a_flat_crop_stays_flat() -> None:
    assert np.ptp(preprocess(np.full((60, 60), 7, np.uint8))) == 0

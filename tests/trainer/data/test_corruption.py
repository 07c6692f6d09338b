"""Corruptions of simple images, whose results can be calculated."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.trainer.data.corruption import (
    RANDOM_CORRUPTIONS,
    add_noise,
    blur,
    blur_by_motion,
    compress,
    corrupt,
    cover_eyes,
    cover_half,
    cover_mouth,
    darken,
    overexpose,
    reduce_contrast,
    reduce_resolution,
)


@pytest.fixture
def point() -> NDArray[np.uint8]:
    """Black with one white pixel in the middle."""
    image = np.zeros((49, 49), np.uint8)
    image[24, 24] = 255
    return image


def gray(value: int) -> NDArray[np.uint8]:
    return np.full((48, 48), value, np.uint8)


def test_blur_spreads_a_point_by_its_sigma() -> None:
    image = gray(0)
    image[24:] = 200
    edge = blur(image, 1.5)[:, 24].astype(float)
    steps = np.diff(edge) / 200
    rows = np.arange(47) + 0.5
    center = (rows * steps).sum()
    assert np.sqrt(((rows - center) ** 2 * steps).sum()) == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("length_px", [3, 5, 7])
def test_motion_spreads_a_point_along_its_direction_alone(point: NDArray[np.uint8], length_px: int) -> None:
    rows, columns = np.nonzero(blur_by_motion(point, length_px, 0) > 255 / length_px / 2)
    assert set(rows) == {24}
    assert np.ptp(columns) == length_px - 1
    rows, columns = np.nonzero(blur_by_motion(point, length_px, 90) > 255 / length_px / 2)
    assert set(columns) == {24}
    diagonal = blur_by_motion(point, length_px, 45)
    assert np.array_equal(diagonal, diagonal.T[::-1, ::-1])
    assert diagonal[25, 23] > diagonal[23, 23]  # 45 degrees is up to the right


def test_motion_of_a_uniform_image_changes_nothing() -> None:
    assert np.array_equal(blur_by_motion(gray(90), 6.3, 17), gray(90))


def test_a_lower_resolution_loses_what_is_smaller_than_its_pixels() -> None:
    checkerboard = np.indices((48, 48)).sum(axis=0).astype(np.uint8) % 2 * 200
    assert reduce_resolution(checkerboard, 24) == pytest.approx(100, abs=1)
    assert reduce_resolution(checkerboard, 48) == pytest.approx(checkerboard)


def test_a_lower_jpeg_quality_costs_more() -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.uint8)
    errors = [np.abs(compress(image, quality).astype(int) - image).mean() for quality in (95, 40, 10)]
    assert errors == sorted(errors)
    assert errors[0] < 5 < errors[2]


def test_noise_has_its_sigma_and_no_bias() -> None:
    noise = add_noise(np.full((480, 480), 128, np.uint8), 8, np.random.default_rng(1)).astype(float) - 128
    assert noise.mean() == pytest.approx(0, abs=0.1)
    assert noise.std() == pytest.approx(8, rel=0.02)


def test_brightness_is_multiplied_and_clipped() -> None:
    assert darken(gray(200), 0.25, 0, np.random.default_rng(1)) == pytest.approx(50)
    assert overexpose(gray(100), 1.5) == pytest.approx(150)
    assert overexpose(gray(200), 1.5) == pytest.approx(255)


def test_contrast_shrinks_about_the_mean() -> None:
    image = gray(60)
    image[24:] = 140
    assert sorted(set(reduce_contrast(image, 0.25).ravel())) == [90, 110]


def test_covers_are_where_mask_and_sunglasses_are() -> None:
    assert [len(np.unique(rows)) for rows in np.split(cover_mouth(gray(7)), [29])] == [1, 1]
    assert (cover_mouth(gray(7)) == 128).mean() == pytest.approx(0.4, abs=0.01)
    assert set(np.flatnonzero((cover_eyes(gray(200)) < 50).all(axis=1))) == set(range(12, 22))
    left = cover_half(gray(7), left=True)
    assert (left[:, :24] == 128).all()
    assert (left[:, 24:] == 7).all()
    assert np.array_equal(cover_half(gray(7), left=False), left[:, ::-1])


@pytest.mark.parametrize("kind", range(len(RANDOM_CORRUPTIONS)))
def test_every_random_corruption_changes_an_image_and_leaves_its_form_and_the_original(kind: int) -> None:
    pattern = np.random.default_rng(1).integers(0, 256, (12, 12)).astype(np.uint8)
    image = np.kron(pattern, np.ones((4, 4), np.uint8))
    original = image.copy()
    for seed in range(40):
        changed = RANDOM_CORRUPTIONS[kind](image, np.random.default_rng(seed))
        assert changed.shape == (48, 48)
        assert changed.dtype == np.uint8
        assert not np.array_equal(changed, image)
    assert np.array_equal(image, original)


def test_corruption_is_determined_by_the_random_generator() -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.uint8)
    for seed in range(30):
        first, second = (corrupt(image, np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(first, second)

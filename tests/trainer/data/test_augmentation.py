import numpy as np

from mien.trainer.data.augmentation import augment
from mien.trainer.recipe import Recipe

MIRROR_ONLY = Recipe(rotation_degrees=0, scale=0, shift_pixels=0)


def test_the_mirror_is_the_only_change_when_all_ranges_are_zero() -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.uint8)
    random = np.random.default_rng(1)
    augmented = [augment(image, MIRROR_ONLY, random) for _ in range(40)]
    unchanged = [np.array_equal(changed, image) for changed in augmented]
    mirrored = [np.array_equal(changed, image[:, ::-1]) for changed in augmented]
    assert all(same != flipped for same, flipped in zip(unchanged, mirrored, strict=True))
    assert 8 < sum(mirrored) < 32


def test_a_shift_moves_the_image_by_no_more_than_its_range() -> None:
    image = np.zeros((48, 48), np.uint8)
    image[22:26, 22:26] = 255
    recipe = Recipe(rotation_degrees=0, scale=0, shift_pixels=4)
    random = np.random.default_rng(1)
    for _ in range(50):
        rows, columns = np.nonzero(augment(image, recipe, random) > 128)
        assert abs(rows.mean() - 23.5) <= 5
        assert abs(columns.mean() - 23.5) <= 5


def test_erasing_covers_a_tenth_to_a_quarter_with_noise() -> None:
    recipe = Recipe(rotation_degrees=0, scale=0, shift_pixels=0, erase_probability=1.0)
    for seed in range(20):
        changed = augment(np.zeros((48, 48), np.uint8), recipe, np.random.default_rng(seed))
        assert 0.08 < (changed > 0).mean() < 0.28


def test_corruption_changes_its_share_of_the_images() -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.uint8)
    recipe = Recipe(rotation_degrees=0, scale=0, shift_pixels=0, corruption_probability=0.5)
    random = np.random.default_rng(1)
    augmented = [augment(image, recipe, random) for _ in range(200)]
    intact = [np.array_equal(changed, image) or np.array_equal(changed, image[:, ::-1]) for changed in augmented]
    assert 70 < sum(intact) < 130


def test_a_recipe_without_corruption_draws_nothing_for_it() -> None:
    """A recorded recipe has to repeat its run: geometry and erasing draw six numbers if nothing is erased."""
    random, expected = np.random.default_rng(1), np.random.default_rng(1)
    augment(np.zeros((48, 48), np.uint8), Recipe(), random)
    expected.random(6)
    assert random.random() == expected.random()

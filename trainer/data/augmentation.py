"""Random changes to a training image that preserve its expression."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.trainer.recipe import Recipe

from .corruption import corrupt


def augment(image: NDArray[np.uint8], recipe: Recipe, random: np.random.Generator) -> NDArray[np.uint8]:
    """A changed copy of a (height, width) image: mirrored half the time, rotated, scaled, shifted, corrupted,
    erased.

    The random numbers of a recipe without corruption are those of the releases before it, so that its run repeats.
    """
    height, width = image.shape
    angle = random.uniform(-recipe.rotation_degrees, recipe.rotation_degrees)
    size = random.uniform(1 - recipe.scale, 1 + recipe.scale)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, size)
    matrix[:, 2] = matrix[:, 2] + random.uniform(-recipe.shift_pixels, recipe.shift_pixels, 2)
    if random.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += width - 1
    warped = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    changed: NDArray[np.uint8] = warped.astype(np.uint8, copy=False)
    if recipe.corruption_probability and random.random() < recipe.corruption_probability:
        changed = corrupt(changed, random)
    if random.random() < recipe.erase_probability:
        _erase(changed, random)
    return changed


def _erase(image: np.ndarray, random: np.random.Generator) -> None:
    height, width = image.shape
    area = random.uniform(0.1, 0.25) * height * width
    aspect = random.uniform(0.5, 2.0)
    box_height = min(height, round((area * aspect) ** 0.5))
    box_width = min(width, round((area / aspect) ** 0.5))
    top = random.integers(0, height - box_height + 1)
    left = random.integers(0, width - box_width + 1)
    noise = random.integers(0, 256, (box_height, box_width), dtype=np.uint8)
    image[top : top + box_height, left : left + box_width] = noise

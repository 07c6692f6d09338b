"""Random changes to a training image that preserve its expression."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.trainer.recipe import Recipe


def augment(image: NDArray[np.uint8], recipe: Recipe, random: np.random.Generator) -> NDArray[np.uint8]:
    """A changed copy of a (height, width) image: mirrored half the time, rotated, scaled, shifted, erased."""
    height, width = image.shape
    angle = random.uniform(-recipe.rotation_degrees, recipe.rotation_degrees)
    size = random.uniform(1 - recipe.scale, 1 + recipe.scale)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, size)
    matrix[:, 2] = matrix[:, 2] + random.uniform(-recipe.shift_pixels, recipe.shift_pixels, 2)
    if random.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += width - 1
    changed = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    if random.random() < recipe.erase_probability:
        _erase(changed, random)
    return changed.astype(np.uint8, copy=False)


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

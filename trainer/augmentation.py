"""Small changes to a training picture that leave its expression as it is."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far a picture may be changed; the ranges that good FER-2013 recipes share."""

    rotation_degrees: float = 10.0
    scale: float = 0.1
    """Sizes from 1 - scale to 1 + scale."""
    shift_pixels: float = 4.0
    erased_share: float = 0.0
    """Chance that a rectangle of a tenth to a quarter of the picture is covered with noise."""

    def __call__(self, picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A changed copy of a (height, width) picture: mirrored half the time, turned, scaled, shifted, erased."""
        height, width = picture.shape
        angle = random.uniform(-self.rotation_degrees, self.rotation_degrees)
        size = random.uniform(1 - self.scale, 1 + self.scale)
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, size)
        matrix[:, 2] = matrix[:, 2] + random.uniform(-self.shift_pixels, self.shift_pixels, 2)
        if random.random() < 0.5:
            matrix[0] = -matrix[0]
            matrix[0, 2] += width - 1
        changed = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        if random.random() < self.erased_share:
            self._erase(changed, random)
        return changed.astype(np.uint8, copy=False)

    @staticmethod
    def _erase(picture: np.ndarray, random: np.random.Generator) -> None:
        height, width = picture.shape
        area = random.uniform(0.1, 0.25) * height * width
        aspect = random.uniform(0.5, 2.0)
        box_height = min(height, round((area * aspect) ** 0.5))
        box_width = min(width, round((area / aspect) ** 0.5))
        top = random.integers(0, height - box_height + 1)
        left = random.integers(0, width - box_width + 1)
        noise = random.integers(0, 256, (box_height, box_width), dtype=np.uint8)
        picture[top : top + box_height, left : left + box_width] = noise

"""Scales an image down by halves: OpenCV averages two by two pixels in a tenth of the time of any other area."""

import cv2
import numpy as np
from numpy.typing import NDArray


def halve(image: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], int]:
    """The image halved as often as its longer side stays at least `side` pixels long, and the factor between both.

    `image` is (height, width) or (height, width, 3). An odd last row or column is left out.
    """
    factor = 1
    while max(image.shape[:2]) >= 2 * side and min(image.shape[:2]) >= 2:
        size = image.shape[1] // 2, image.shape[0] // 2
        even = image[: size[1] * 2, : size[0] * 2]
        image = cv2.resize(even, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        factor *= 2
    return image, factor

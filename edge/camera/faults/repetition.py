"""Recognizes a camera that delivers the same image again and again, since its driver or its network part hangs."""

import numpy as np
from numpy.typing import NDArray

from .image_checks import STRIDE, is_uniform

MIN_REPETITIONS = 10


class RepetitionDetector:
    """Measures how long an image has been repeated bit by bit, which a sensor's noise never lets happen."""

    def __init__(self, frozen_after_s: float) -> None:
        self._frozen_after_s = frozen_after_s
        self._image: NDArray[np.uint8] | None = None
        self._since_s = 0.0
        self._repetitions = 0

    def update(self, gray: NDArray[np.uint8], now_s: float) -> bool:
        """Add the next (height, width) image; True if it has been the same for `frozen_after_s`.

        An image that is black or white all over may well be the same as the one before.
        """
        if not self._is_repeated(gray):
            self._image, self._since_s, self._repetitions = gray, now_s, 0
            return False
        self._repetitions += 1
        is_frozen = self._repetitions >= MIN_REPETITIONS and now_s - self._since_s >= self._frozen_after_s
        return is_frozen and not is_uniform(gray)

    def _is_repeated(self, gray: NDArray[np.uint8]) -> bool:
        before = self._image
        if before is None or before.shape != gray.shape:
            return False
        return np.array_equal(before[::STRIDE], gray[::STRIDE]) and np.array_equal(before, gray)

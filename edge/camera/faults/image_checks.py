"""Recognizes single images that show nothing: black ones, green ones, and those without color."""

import cv2
import numpy as np
from numpy.typing import NDArray

STRIDE = 4
"""Every fourth pixel of every fourth row says enough."""
MAX_BLACK = 24
"""Brightness, of 255, that almost nothing in a black image exceeds: video's black is 16, and a sensor adds noise."""
MAX_BLACK_DEVIATION = 3.0
"""Standard deviation of brightness in a black image; a dark room in which anything can be seen has more."""
MIN_GREEN = 80
"""How green the zeros of a missing part of a YUV image become: 135, or 154 by another standard."""
MAX_GREEN_DEVIATION, MIN_TYPICAL_SHARE = 2, 0.8
"""A missing part has one color exactly; a green wall has the sensor's noise and the light's gradient."""
MIN_GREEN_SHARE = 0.25
"""Decoders leave the lower part of a damaged image green."""
MAX_GRAY_CHROMA = 8
"""Difference between the color channels of a gray image: compression adds a little."""


def is_black(gray: NDArray[np.uint8]) -> bool:
    """Whether a (height, width) image shows nothing at all, as with a covered lens or in the dark."""
    pixels = gray[::STRIDE, ::STRIDE]
    return bool(np.percentile(pixels, 99) <= MAX_BLACK and pixels.std() <= MAX_BLACK_DEVIATION)


def is_uniform(gray: NDArray[np.uint8]) -> bool:
    """Whether all of a (height, width) image has one brightness, so that its repetition says nothing."""
    pixels = gray[::STRIDE, ::STRIDE]
    return int(pixels.max()) - int(pixels.min()) <= 2


def is_green(image: NDArray[np.uint8]) -> bool:
    """Whether a good part of a (height, width, 3) BGR image is the green of data that never arrived."""
    blue, green, red = (channel.astype(np.int16) for channel in cv2.split(image[::STRIDE, ::STRIDE]))
    is_saturated = (green >= MIN_GREEN) & (3 * blue <= green) & (3 * red <= green)
    if is_saturated.mean() < MIN_GREEN_SHARE:
        return False
    is_typical = np.abs(green - np.median(green[is_saturated])) <= MAX_GREEN_DEVIATION
    return bool(is_typical[is_saturated].mean() >= MIN_TYPICAL_SHARE)


def has_color(image: NDArray[np.uint8]) -> bool:
    """Whether an image has color: False for (height, width) gray and for BGR whose channels are the same.

    A camera delivers those at night, with its infra-red lamp.
    """
    if image.ndim == 2:
        return False
    pixels = image[::STRIDE, ::STRIDE].astype(np.int16)
    return bool(np.percentile(pixels.max(axis=2) - pixels.min(axis=2), 99) > MAX_GRAY_CHROMA)

"""What cameras, compression and clothes do to a face: changes of a 48x48 image, each with its severity.

The augmentation draws them at random, `mien.trainer.evaluation.corruptions` measures a model under each. The kinds
follow Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019, with severities for faces of 48 pixels.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(height, width), gray."""
GRAY = 128
DARK = 20
MASK_TOP = 0.6
"""A mask covers the face from here down, as shares of its height; sunglasses cover the band below."""
SUNGLASSES_BAND = (0.25, 0.45)


def blur(image: Image, sigma_px: float) -> Image:
    """Gaussian blur: out of focus."""
    return _to_uint8(cv2.GaussianBlur(image, (0, 0), sigma_px))


def blur_by_motion(image: Image, length_px: float, angle_degrees: float) -> Image:
    """Blur along a line, as of a face that moves while the shutter is open."""
    size = int(np.ceil(length_px)) // 2 * 2 + 1
    line = np.zeros((size, size), np.float32)
    positions = np.linspace(-(length_px - 1) / 2, (length_px - 1) / 2, 4 * size)
    angle = np.deg2rad(angle_degrees)
    columns = size // 2 + positions * np.cos(angle)
    rows = size // 2 - positions * np.sin(angle)
    left, top = np.floor(columns).astype(int), np.floor(rows).astype(int)
    for row_offset in (0, 1):  # a point between four pixels is shared among them
        for column_offset in (0, 1):
            shares = np.abs(1 - row_offset - (rows - top)) * np.abs(1 - column_offset - (columns - left))
            row, column = np.minimum(top + row_offset, size - 1), np.minimum(left + column_offset, size - 1)
            np.add.at(line, (row, column), shares)
    return _to_uint8(cv2.filter2D(image, -1, line / line.sum(), borderType=cv2.BORDER_REPLICATE))


def reduce_resolution(image: Image, size_px: int) -> Image:
    """Down to `size_px` and back: a face far from the camera."""
    small = cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return _to_uint8(cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR))


def compress(image: Image, quality: int) -> Image:
    """JPEG at a quality from 1 to 100."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _to_uint8(np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)))


def add_noise(image: Image, sigma: float, random: np.random.Generator) -> Image:
    """Gaussian noise of the sensor, `sigma` in gray levels."""
    return _clip(image + sigma * random.standard_normal(image.shape, np.float32))


def darken(image: Image, gain: float, noise_sigma: float, random: np.random.Generator) -> Image:
    """Too little light: the brightness falls and the sensor's noise does not."""
    return add_noise(_clip(image * np.float32(gain)), noise_sigma, random)


def overexpose(image: Image, gain: float) -> Image:
    """Too much light: what is brighter than white is lost."""
    return _clip(image * np.float32(gain))


def reduce_contrast(image: Image, factor: float) -> Image:
    """Haze or backlight: the differences from the image's mean shrink."""
    mean = np.float32(image.mean())
    return _clip(mean + np.float32(factor) * (image - mean))


def cover_mouth(image: Image, *, top: float = MASK_TOP, shade: int = GRAY) -> Image:
    """A mask: one shade from `top`, a share of the height, down."""
    covered = image.copy()
    covered[round(top * len(image)) :] = shade
    return covered


def cover_eyes(image: Image, *, band: tuple[float, float] = SUNGLASSES_BAND, shade: int = DARK) -> Image:
    """Sunglasses: one shade over a band of rows, whose limits are shares of the height."""
    covered = image.copy()
    covered[round(band[0] * len(image)) : round(band[1] * len(image))] = shade
    return covered


def cover_half(image: Image, *, left: bool, shade: int = GRAY) -> Image:
    """One half of the face behind a hand, a pillar or the edge of the frame."""
    covered = image.copy()
    middle = image.shape[1] // 2
    covered[:, slice(None, middle) if left else slice(middle, None)] = shade
    return covered


def corrupt(image: Image, random: np.random.Generator) -> Image:
    """An image with one change of a random kind and severity, and with a chance of a quarter a second one."""
    for _ in range(1 + (random.random() < 0.25)):
        image = RANDOM_CORRUPTIONS[random.integers(len(RANDOM_CORRUPTIONS))](image, random)
    return image


def _cover_at_random(image: Image, random: np.random.Generator) -> Image:
    """A mask, sunglasses or a covered half, of a random shade and with random edges."""
    kind, shade = random.integers(4), int(random.integers(256))
    if kind == 0:
        top = random.uniform(0.25, 0.35)
        return cover_eyes(image, band=(top - 0.05, top + random.uniform(0.1, 0.2)), shade=shade // 2)
    if kind == 1:
        return cover_half(image, left=bool(random.integers(2)), shade=shade)
    return cover_mouth(image, top=random.uniform(0.5, 0.75), shade=shade)  # the most frequent and the hardest


RANDOM_CORRUPTIONS: tuple[Callable[[Image, np.random.Generator], Image], ...] = (
    lambda image, random: blur(image, random.uniform(0.4, 1.8)),
    lambda image, random: blur_by_motion(image, random.uniform(2, 8), random.uniform(0, 180)),
    lambda image, random: reduce_resolution(image, int(random.integers(14, 37))),
    lambda image, random: compress(image, int(random.integers(8, 51))),
    lambda image, random: add_noise(image, random.uniform(4, 24), random),
    lambda image, random: darken(image, float(np.exp(random.uniform(-2.8, -0.4))), random.uniform(1, 5), random),
    lambda image, random: overexpose(image, random.uniform(1.2, 3.2)),
    lambda image, random: reduce_contrast(image, random.uniform(0.2, 0.8)),
    _cover_at_random,
)
"""Each kind with a severity drawn from its range, all equally frequent."""


def _clip(values: NDArray[np.floating]) -> Image:
    clipped: Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return clipped


def _to_uint8(image: np.ndarray) -> Image:
    return image.astype(np.uint8, copy=False)

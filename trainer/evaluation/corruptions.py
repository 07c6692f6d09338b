"""A model under what cameras do to faces: agreement with FER+'s majority and calibration, by kind and severity."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mien.trainer.data.corruption import (
    Image,
    add_noise,
    blur,
    blur_by_motion,
    compress,
    cover_eyes,
    cover_half,
    cover_mouth,
    darken,
    overexpose,
    reduce_contrast,
    reduce_resolution,
)
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.ferplus import has_majority

from .calibration import expected_calibration_error
from .evaluation import Predict
from .selective import selective_accuracy

SEED = 28
"""Determines noise, and the direction of motion, rotation and shift of each image."""
CLEAN = "clean"


class CorruptionScore(Struct, frozen=True, kw_only=True):
    """One model under one corruption of all images that have a FER+ majority; all metrics are fractions."""

    corruption: str
    is_occlusion: bool
    ferplus_majority: float
    ece_ferplus: float
    selective_at_80: float
    """`ferplus_majority` of the 80 % with the most confident predictions."""
    correct: NDArray[np.bool_]
    """(count,), which predictions are right, for paired tests."""


class CorruptionSummary(Struct, frozen=True, kw_only=True):
    """What the corruptions other than occlusion cost, as fractions."""

    mean_loss: float
    """Of FER+ majority, from clean images to the mean of all corruptions."""
    worst_loss: float
    worst: str
    """The corruption that costs the most."""
    mean_ece_ferplus: float
    mean_selective_at_80: float


def measure_corruptions(predict: Predict, data: Dataset) -> list[CorruptionScore]:
    """A model's scores on the clean images of `data` with a FER+ majority, then under each corruption.

    Images are corrupted as read, (48, 48) uint8, before preprocessing. Empty if `data` has no majority.
    """
    if data.votes is None or not (majority := has_majority(data.votes)).any():
        return []
    images, labels = data.images[majority], data.votes[majority].argmax(axis=1)
    results = []
    for number, (name, change) in enumerate(ALL_CORRUPTIONS.items()):
        random = np.random.default_rng((SEED, number))
        scores = predict(np.stack([change(image, random) for image in images]))
        correct = scores.argmax(axis=1) == labels
        results.append(
            CorruptionScore(
                corruption=name,
                is_occlusion=name in OCCLUSIONS,
                ferplus_majority=float(correct.mean()),
                ece_ferplus=expected_calibration_error(scores, labels),
                selective_at_80=selective_accuracy(scores, correct, coverage=0.8),
                correct=correct,
            )
        )
    return results


def summarize(results: Sequence[CorruptionScore]) -> CorruptionSummary:
    """The losses from the first result, on clean images, to those under corruptions other than occlusion."""
    clean, *corrupted = [result for result in results if not result.is_occlusion]
    worst = min(corrupted, key=lambda result: result.ferplus_majority)
    return CorruptionSummary(
        mean_loss=clean.ferplus_majority - float(np.mean([result.ferplus_majority for result in corrupted])),
        worst_loss=clean.ferplus_majority - worst.ferplus_majority,
        worst=worst.corruption,
        mean_ece_ferplus=float(np.mean([result.ece_ferplus for result in corrupted])),
        mean_selective_at_80=float(np.mean([result.selective_at_80 for result in corrupted])),
    )


Corruption = Callable[[Image, np.random.Generator], Image]


def _plain(change: Callable[..., Image], *arguments: float | bool) -> Corruption:
    """A change that is the same for all images."""
    return lambda image, random: change(image, *arguments)


def _noisy(change: Callable[..., Image], *arguments: float) -> Corruption:
    """A change with noise."""
    return lambda image, random: change(image, *arguments, random)


def _move(length_px: float) -> Corruption:
    return lambda image, random: blur_by_motion(image, length_px, random.uniform(0, 180))


def _rotate(angle_degrees: float) -> Corruption:
    """To the left or the right."""
    return lambda image, random: _warp(image, angle_degrees=angle_degrees * (1 - 2 * random.integers(2)))


def _shift(distance_px: float) -> Corruption:
    """To the left, the right, up or down."""

    def change(image: Image, random: np.random.Generator) -> Image:
        column, row = ((-1, 0), (1, 0), (0, -1), (0, 1))[random.integers(4)]
        return _warp(image, shift_px=(column * distance_px, row * distance_px))

    return change


def _scale(size: float) -> Corruption:
    return lambda image, random: _warp(image, size=size)


def _warp(
    image: Image, *, angle_degrees: float = 0.0, size: float = 1.0, shift_px: tuple[float, float] = (0.0, 0.0)
) -> Image:
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_degrees, size)
    matrix[:, 2] = matrix[:, 2] + shift_px
    warped = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return warped.astype(np.uint8, copy=False)


OCCLUSIONS: dict[str, Corruption] = {
    "mask": _plain(cover_mouth),
    "sunglasses": _plain(cover_eyes),
    "half": lambda image, random: cover_half(image, left=bool(random.integers(2))),
}
ALL_CORRUPTIONS: dict[str, Corruption] = {
    CLEAN: _plain(np.copy),
    **{f"blur {sigma_px}": _plain(blur, sigma_px) for sigma_px in (0.7, 1.0, 1.5)},
    **{f"motion {length_px} px": _move(length_px) for length_px in (3, 5, 7)},
    **{f"resolution {size_px} px": _plain(reduce_resolution, size_px) for size_px in (32, 24, 16)},
    **{f"jpeg {quality}": _plain(compress, quality) for quality in (40, 20, 10)},
    **{f"noise {sigma}": _noisy(add_noise, sigma) for sigma in (8, 14, 20)},
    **{f"dark {gain}": _noisy(darken, gain, sigma) for gain, sigma in ((0.5, 2), (0.25, 3), (0.08, 4))},
    **{f"bright {gain}": _plain(overexpose, gain) for gain in (1.5, 2.0, 3.0)},
    **{f"contrast {factor}": _plain(reduce_contrast, factor) for factor in (0.6, 0.4, 0.25)},
    **{f"rotation {angle}": _rotate(angle) for angle in (10, 20, 30)},
    **{f"scale {size}": _scale(size) for size in (1.15, 1.3, 0.8)},
    **{f"shift {distance_px} px": _shift(distance_px) for distance_px in (2, 4, 6)},
    **OCCLUSIONS,
}
"""By name with the severity: sigma of a blur in pixels, noise in gray levels, gains and factors of the brightness,
degrees, and a face's size relative to the crop. `dark` also has noise of 2, 3 and 4 gray levels."""

"""What each quality gate costs and saves: python benchmarks/gates.py --data fer2013.csv --ferplus fer2013new.csv.

Spoils PublicTest images with a FER+ majority as cameras do, in several degrees beside the clean images, and classifies
them with the shipped model. For each gate and threshold: the share of all faces that passes (`kept`), the share of the
clean ones (`clean`), the FER+ majority of those that pass (`accuracy`), and that of those that this threshold sorts out
and the next weaker one does not (`band`). A gate's threshold belongs where the band falls below six of ten, as long as
nearly all clean images pass; `in_use` is the default of mien.edge.vision.settings. --images N takes the first N, --json
prints one JSON object. Needs mien[trainer].

`turned` is measured on the images as they are, with YuNet's landmarks, since turned faces cannot be made of others.
`covered` draws masks with folds: with a plain surface they would be too easy to tell.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from parts.measure import Metrics, benchmark_parser, print_metrics

from mien.edge.vision.gates import mouth_texture, signal_to_noise, turn
from mien.edge.vision.settings import YuNetSettings
from mien.face_detection.yunet import YuNetDetector
from mien.model.classifier import Classifier
from mien.model.preprocessing import preprocess, sharpness
from mien.trainer.data.corruption import Image, add_noise, blur, blur_by_motion, darken
from mien.trainer.data.ferplus import has_majority
from mien.trainer.data.load import load_dataset

SEED = 27
FACE_PX = 42
"""Side of the detector's box in an image of FER-2013: the rest of its 48 pixels is the margin."""
ENLARGED_PX, BORDER_PX = 120, 36
"""FER-2013's images as YuNet finds the face in 95 % of them."""

Random = np.random.Generator
Spoil = Callable[[Image, Random, float], Image]
"""A changed image: its last argument is the degree."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A gate, what it is for, and in which degrees."""

    name: str
    degrees: Sequence[tuple[Spoil, float]]
    value: Callable[[NDArray[np.uint8], float], float]
    """Of the preprocessed image, and its degree (0 if it is clean): what the gate compares."""
    thresholds: Sequence[float]
    in_use: float
    is_upper: bool = False
    """The gate sorts out what is above its threshold."""


def clean(image: Image, random: Random, degree: float) -> Image:
    return image


def scale_down(image: Image, random: Random, side_px: float) -> Image:
    return cv2.resize(image, (int(side_px), int(side_px)), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def defocus(image: Image, random: Random, sigma_px: float) -> Image:
    return blur(image, sigma_px)


def move(image: Image, random: Random, length_px: float) -> Image:
    return blur_by_motion(image, length_px, random.uniform(0, 180))


def dim(image: Image, random: Random, gain: float, *, noise: float) -> Image:
    return darken(image, gain, noise, random)


def put_on_mask(image: Image, random: Random, fold: float) -> Image:
    """A cloth of one shade with folds, shaded towards its sides, over nose and mouth."""
    rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    aside = (columns - 24) / 24
    folds = fold * np.sin(2 * np.pi * rows / random.uniform(5, 9) + random.uniform(0, 6))
    cloth = random.uniform(60, 235) + folds + 25 * (np.cos(1.3 * aside) - 0.7)
    worn = np.where(rows >= 48 * random.uniform(0.55, 0.65) - 6 * aside**2, cloth, image).astype(np.float32)
    smooth = np.clip(cv2.GaussianBlur(worn, (0, 0), 0.7), 0, 255).astype(np.uint8)
    return add_noise(smooth, 3, random)


def cut_off(image: Image, random: Random, share: float) -> Image:
    """The crop of a face of which a share is beyond one edge of the frame: moved inside, so the face is off-center."""
    distance_px = share * FACE_PX + (48 - FACE_PX) / 2
    column, row = ((-1, 0), (1, 0), (0, -1), (0, 1))[random.integers(4)]
    matrix = np.array([[1, 0, column * distance_px], [0, 1, row * distance_px]], np.float32)
    return cv2.warpAffine(image, matrix, (48, 48), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)


def curve(gate: Gate, values: np.ndarray, is_right: np.ndarray, is_clean: np.ndarray) -> Metrics:
    """The table of one gate, as metrics."""
    metrics: Metrics = {}
    sign = -1 if gate.is_upper else 1
    is_out_before = np.zeros(len(values), bool)
    for threshold in sorted(gate.thresholds, key=lambda threshold: sign * threshold):
        is_out = sign * values < sign * threshold
        band = is_out & ~is_out_before
        key = f"{gate.name}_{threshold:g}"
        metrics[f"{key}_kept"] = float((~is_out).mean())
        metrics[f"{key}_clean"] = float((~is_out)[is_clean].mean())
        metrics[f"{key}_accuracy"] = float(is_right[~is_out].mean()) if not is_out.all() else "none"
        metrics[f"{key}_band"] = float(is_right[band].mean()) if band.any() else "none"
        metrics[f"{key}_band_faces"] = int(band.sum())
        is_out_before = is_out
    metrics[f"{gate.name}_in_use"] = gate.in_use
    return metrics


def measure_gate(gate: Gate, images: Sequence[Image], labels: np.ndarray, classifier: Classifier) -> Metrics:
    """The curve over the clean images and all degrees of what the gate is for."""
    values, is_right, is_clean = [], [], []
    for number, (spoil, degree) in enumerate([(clean, 0.0), *gate.degrees]):
        random = np.random.default_rng((SEED, number))
        for image, label in zip(images, labels, strict=True):
            preprocessed = preprocess(spoil(image, random, degree))
            values.append(gate.value(preprocessed, degree))
            is_right.append(classifier.predict(preprocessed).argmax() == label)
            is_clean.append(spoil is clean)
    return curve(gate, np.array(values), np.array(is_right), np.array(is_clean))


def measure_turn(gate: Gate, images: Sequence[Image], labels: np.ndarray, classifier: Classifier) -> Metrics:
    """The curve over those clean images in which YuNet finds the face."""
    detector = YuNetDetector(working_width=ENLARGED_PX + 2 * BORDER_PX)
    values, is_right = [], []
    for image, label in zip(images, labels, strict=True):
        enlarged = cv2.resize(image, (ENLARGED_PX, ENLARGED_PX), interpolation=cv2.INTER_CUBIC)
        framed = cv2.copyMakeBorder(enlarged, BORDER_PX, BORDER_PX, BORDER_PX, BORDER_PX, cv2.BORDER_REPLICATE)
        faces = detector.detect(framed.astype(np.uint8))
        if faces:
            values.append(turn(faces[0]))
            is_right.append(classifier.predict(preprocess(image)).argmax() == label)
    return curve(gate, np.array(values), np.array(is_right), np.ones(len(values), bool))


def make_gates(settings: YuNetSettings) -> list[Gate]:
    """All gates; `turned` is measured on its own."""
    dims = ((0.5, 2), (0.25, 3), (0.08, 2), (0.08, 4), (0.04, 2), (0.04, 4), (0.02, 1))
    return [
        Gate(
            name="small",
            degrees=[(scale_down, side_px) for side_px in (32, 24, 20, 17, 15, 13, 11)],
            value=lambda preprocessed, side_px: side_px or len(preprocessed),
            thresholds=(12, 14, 16, 18, 22, 28, 34),
            in_use=settings.min_crop_px,
        ),
        Gate(
            name="cut_off",
            degrees=[(cut_off, share) for share in (0.1, 0.2, 0.3, 0.35, 0.4, 0.5)],
            value=lambda preprocessed, share: share,
            thresholds=(0.05, 0.15, 0.25, 0.32, 0.37, 0.45),
            in_use=settings.max_cut_off,
            is_upper=True,
        ),
        Gate(
            name="blurred",
            degrees=[
                *((defocus, sigma_px) for sigma_px in (0.7, 1, 1.5, 2, 2.5, 3, 4)),
                *((move, length_px) for length_px in (3, 5, 7, 9, 12)),
            ],
            value=lambda preprocessed, degree: sharpness(preprocessed),
            thresholds=(2, 4, 6, 8, 12, 20, 40, 80),
            in_use=settings.min_sharpness,
        ),
        Gate(
            name="dark",
            degrees=[(partial(dim, noise=noise), gain) for gain, noise in dims],
            value=lambda preprocessed, degree: signal_to_noise(preprocessed),
            thresholds=(0.4, 0.6, 0.8, 1, 1.2, 1.5, 2, 3),
            in_use=settings.min_signal_to_noise,
        ),
        Gate(
            name="covered",
            degrees=[(put_on_mask, fold) for fold in (2, 6, 12)],
            value=lambda preprocessed, degree: mouth_texture(preprocessed),
            thresholds=(0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
            in_use=settings.min_mouth_texture,
        ),
    ]


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv")
    parser.add_argument("--ferplus", type=Path, required=True, help="fer2013new.csv")
    parser.add_argument("--images", type=int, default=600, help="of those with a majority (default: 600)")
    options = parser.parse_args()
    public_test = load_dataset(options.data, options.ferplus).split("PublicTest")
    majority = None if public_test.votes is None else has_majority(public_test.votes)
    if public_test.votes is None or majority is None or not majority.any():
        sys.exit(f"no image of {options.data} has a FER+ majority: give the votes of the same images with --ferplus")
    all_images, all_labels = public_test.images[majority], public_test.votes[majority].argmax(axis=1)
    images, labels = list(all_images[: options.images]), all_labels[: options.images]
    classifier, settings = Classifier(), YuNetSettings()
    metrics: Metrics = {"images": len(images)}
    for gate in make_gates(settings):
        metrics |= measure_gate(gate, images, labels, classifier)
    turned = Gate(
        name="turned",
        degrees=[],
        value=lambda preprocessed, degree: 0.0,
        thresholds=(0.2, 0.3, 0.4, 0.5, 0.7, 1),
        in_use=settings.max_turn,
        is_upper=True,
    )
    metrics |= measure_turn(turned, list(all_images), all_labels, classifier)
    print_metrics("gates: passed and right, by threshold", metrics, as_json=options.json)


if __name__ == "__main__":
    main()

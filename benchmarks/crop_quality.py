"""What small and blurred crops cost: python benchmarks/crop_quality.py fer2013.csv [--images N] [--json].

Scales down or blurs PublicTest images as a camera does, and classifies them with the shipped model. For each kind: the
accuracy relative to that on the unchanged images, and the fraction that the agent would skip as blurred.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from parts.measure import Metrics, benchmark_parser, print_metrics

from mien.edge.vision.settings import HaarSettings
from mien.model.classifier import Classifier
from mien.model.preprocessing import preprocess, sharpness
from mien.trainer.data.fer2013 import read_fer2013


def scale_down(image: np.ndarray, side_px: int) -> np.ndarray:
    return cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)


def defocus(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma)


def blur_by_motion(image: np.ndarray, distance_px: int) -> np.ndarray:
    kernel = np.zeros((distance_px, distance_px), np.float32)
    kernel[distance_px // 2] = 1 / distance_px
    return cv2.filter2D(image, -1, kernel)


DEGRADATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "unchanged": lambda image: image,
    **{f"side_{side_px}": partial(scale_down, side_px=side_px) for side_px in (32, 24, 20, 16)},
    **{f"defocus_{sigma:g}": partial(defocus, sigma=sigma) for sigma in (0.5, 1, 1.5, 2)},
    **{f"motion_{distance_px}": partial(blur_by_motion, distance_px=distance_px) for distance_px in (3, 5, 9)},
}


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("data", type=Path, help="fer2013.csv")
    parser.add_argument("--images", type=int, default=3589)
    options = parser.parse_args()
    split = read_fer2013(options.data).split("PublicTest")
    images, labels = split.images[: options.images], split.labels[: options.images]
    classifier = Classifier()
    min_sharpness = HaarSettings().min_sharpness
    metrics: Metrics = {}
    unchanged_accuracy = 0.0
    for kind, degrade in DEGRADATIONS.items():
        preprocessed = [preprocess(degrade(image).astype(np.uint8)) for image in images]
        predictions = np.array([classifier.predict(image).argmax() for image in preprocessed])
        accuracy = float((predictions == labels).mean())
        unchanged_accuracy = unchanged_accuracy or accuracy
        metrics[f"{kind}_accuracy"] = accuracy / unchanged_accuracy
        metrics[f"{kind}_skipped"] = float(np.mean([sharpness(image) < min_sharpness for image in preprocessed]))
    print_metrics("accuracy relative to that on good crops", metrics, as_json=options.json)


if __name__ == "__main__":
    main()

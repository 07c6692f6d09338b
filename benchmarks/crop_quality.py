"""What small and blurred crops cost: python benchmarks/crop_quality.py fer2013.csv [--pictures N] [--json].

PublicTest pictures are made smaller or blurred as a camera does it, and classified by the shipped model: for each kind
the accuracy over that of the pictures as they are, and the share that the agent would leave out as blurred.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from measure import print_figures

from mien.classifier import Classifier
from mien.edge.settings import Faces
from mien.preprocessing import prepare, sharpness
from mien.trainer.fer2013 import read_fer2013


def smaller(picture: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def out_of_focus(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def moved(picture: np.ndarray, pixels: int) -> np.ndarray:
    kernel = np.zeros((pixels, pixels), np.float32)
    kernel[pixels // 2] = 1 / pixels
    return cv2.filter2D(picture, -1, kernel)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as_they_are": lambda picture: picture,
    **{f"side_{side}": partial(smaller, side=side) for side in (32, 24, 20, 16)},
    **{f"focus_{sigma:g}": partial(out_of_focus, sigma=sigma) for sigma in (0.5, 1, 1.5, 2)},
    **{f"moved_{pixels}": partial(moved, pixels=pixels) for pixels in (3, 5, 9)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=3589)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    split = read_fer2013(options.data).split("PublicTest")
    pictures, labels = split.pictures[: options.pictures], split.labels[: options.pictures]
    classifier = Classifier()
    figures: dict[str, float | str] = {}
    whole = 0.0
    for kind, spoil in KINDS.items():
        prepared = [prepare(spoil(picture).astype(np.uint8)) for picture in pictures]
        answers = np.array([classifier.invoke(one).argmax() for one in prepared])
        accuracy = float((answers == labels).mean())
        whole = whole or accuracy
        figures[f"{kind}_accuracy"] = accuracy / whole
        figures[f"{kind}_left_out"] = float(np.mean([sharpness(one) < Faces().least_sharpness for one in prepared]))
    print_figures("accuracy as a share of that of good crops", figures, as_json=options.json)


if __name__ == "__main__":
    main()

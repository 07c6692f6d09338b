"""The margin that makes the detector's crops like FER-2013's: python benchmarks/crop_margin.py fer2013.csv [--json].

Runs the detector on FER-2013's own images, enlarged and with a border. If its box covers a fraction f of the image's
side, a margin of (1 / f - 1) / 2 on each side would crop the whole image.
"""

from pathlib import Path

import cv2
import numpy as np
from parts.measure import Metrics, benchmark_parser, print_metrics

from mien.face_detection.haar import HaarDetector
from mien.trainer.data.fer2013 import read_fer2013

ENLARGED_PX = 192
BORDER_PX = 48


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("data", type=Path, help="fer2013.csv")
    parser.add_argument("--images", type=int, default=1500)
    options = parser.parse_args()
    detector = HaarDetector(margin=0.0, min_face_px=ENLARGED_PX // 2)
    images = read_fer2013(options.data).split("Training").images[: options.images]
    fractions: list[float] = []
    for image in images:
        enlarged = cv2.resize(image, (ENLARGED_PX, ENLARGED_PX), interpolation=cv2.INTER_CUBIC)
        framed = cv2.copyMakeBorder(enlarged, BORDER_PX, BORDER_PX, BORDER_PX, BORDER_PX, cv2.BORDER_REPLICATE)
        fractions += [box.side / ENLARGED_PX for box in detector.detect(framed.astype(np.uint8))[:1]]
    metrics: Metrics = {"images": float(len(images)), "detected": len(fractions) / len(images)}
    if fractions:
        fraction = float(np.median(fractions))
        metrics |= {"median_fraction": fraction, "margin": (1 / fraction - 1) / 2}
    print_metrics("crop margin", metrics, as_json=options.json)


if __name__ == "__main__":
    main()

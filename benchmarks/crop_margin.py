"""The margin that makes the detector's crops like FER-2013's: python benchmarks/crop_margin.py fer2013.csv [--json].

The detector looks for the face in FER-2013's own pictures, enlarged and with a border. Where its box covers a share s
of the picture's side, a margin of (1 / s - 1) / 2 on each side would give the picture.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from measure import print_figures

from mien.faces import HaarDetector
from mien.trainer.fer2013 import read_fer2013

SIDE = 192
BORDER = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    detector = HaarDetector(margin=0.0, smallest=SIDE // 2)
    pictures = read_fer2013(options.data).split("Training").pictures[: options.pictures]
    shares = []
    for picture in pictures:
        large = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        framed = cv2.copyMakeBorder(large, *[BORDER] * 4, cv2.BORDER_REPLICATE)
        shares += [box.side / SIDE for box in detector.find(framed.astype(np.uint8))[:1]]
    share = float(np.median(shares))
    figures: dict[str, float | str] = {
        "pictures": float(len(pictures)),
        "found": len(shares) / len(pictures),
        "median_share": share,
        "margin": (1 / share - 1) / 2,
    }
    print_figures("crop margin", figures, as_json=options.json)


if __name__ == "__main__":
    main()

"""Prints, as JSON, what this machine answers to pictures from a file: python answers.py PREPARED.npy PORTRAIT."""

import json
import platform
import sys
from pathlib import Path

import numpy as np

from mien.classifier import Classifier
from mien.edge.frame import read_picture
from mien.faces import HaarDetector


def main() -> None:
    prepared = np.load(sys.argv[1])
    portrait = read_picture(Path(sys.argv[2]))
    height, width = portrait.shape
    classifier = Classifier()
    report = {
        "machine": platform.machine(),
        "runtime": classifier.runtime,
        "accelerated": classifier.accelerated,
        "answers": [classifier.invoke(picture).tolist() for picture in prepared],
        "faces": [[box.left / width, box.top / height, box.side / width] for box in HaarDetector().find(portrait)],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()

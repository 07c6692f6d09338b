"""Prints this machine's predictions and detected faces as JSON: python predict.py PREPROCESSED.npy PORTRAIT."""

import json
import platform
import sys
from pathlib import Path

import numpy as np

from mien.edge.camera.image_file import read_image
from mien.face_detection.haar import HaarDetector
from mien.model.classifier import Classifier


def main() -> None:
    preprocessed = np.load(sys.argv[1])
    portrait = read_image(Path(sys.argv[2]))
    height, width = portrait.shape
    classifier = Classifier()
    report = {
        "machine": platform.machine(),
        "runtime": classifier.runtime,
        "is_accelerated": classifier.is_accelerated,
        "predictions": [classifier.predict(image).tolist() for image in preprocessed],
        "faces": [
            [face.box.left / width, face.box.top / height, face.box.side / width]
            for face in HaarDetector().detect(portrait)
        ],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()

"""How large to crop and when to turn: python benchmarks/crop.py fer2013.csv [--ferplus fer2013new.csv] [--json].

Runs YuNet on PublicTest's images, enlarged and with a border, and classifies the crops with the shipped model. First by
scale, the crop's side as a multiple of the mean of the detected width and height: `accuracy_scale_1.1`. Then by roll,
with the images turned by that many degrees, cropped upright and cropped along the face's own roll:
`accuracy_roll_30_upright`, `accuracy_roll_30_turned`. Images in which no face is detected are left out: `detected_…`.
With FER+ the accuracy is that on its majority, which is closer to what faces show than FER-2013's own labels.
`haar_margin` is the one that makes the Haar cascade's crops like FER-2013's: its box covers a fraction f of the image,
and (1 / f - 1) / 2 on each side is missing.
"""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from parts.measure import Metrics, benchmark_parser, print_metrics

from mien.face_detection.crop import crop_face
from mien.face_detection.detector import FaceDetector
from mien.face_detection.face import Face
from mien.face_detection.haar import HaarDetector
from mien.face_detection.yunet import YuNetDetector
from mien.model.classifier import Classifier
from mien.model.preprocessing import preprocess
from mien.trainer.data.ferplus import has_majority
from mien.trainer.data.load import load_dataset

ENLARGED_PX, BORDER_PX, BORDER_BRIGHTNESS = 128, 64, 110
SCALES = (0.9, 1.0, 1.1, 1.2, 1.3, 1.4)
ROLLS_DEGREES = (0, 15, -15, 30, -30)
Image = NDArray[np.uint8]


def make_frame(image: Image, roll_degrees: float) -> Image:
    """The image in the middle of a uniform frame, turned clockwise."""
    enlarged = cv2.resize(image, (ENLARGED_PX, ENLARGED_PX), interpolation=cv2.INTER_CUBIC)
    borders = (BORDER_PX,) * 4
    framed = cv2.copyMakeBorder(enlarged, *borders, cv2.BORDER_CONSTANT, value=BORDER_BRIGHTNESS)
    side = ENLARGED_PX + 2 * BORDER_PX
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), -roll_degrees, 1.0)
    turned = cv2.warpAffine(framed, matrix, (side, side), flags=cv2.INTER_CUBIC, borderValue=BORDER_BRIGHTNESS)
    return turned.astype(np.uint8, copy=False)


class Score:
    """The correct predictions of one kind of crop."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._correct: list[bool] = []

    def add(self, frame: Image, face: Face, label: int) -> None:
        prediction = self._classifier.predict(preprocess(crop_face(frame, face)))
        self._correct.append(int(prediction.argmax()) == label)

    def accuracy(self) -> float:
        return float(np.mean(self._correct))


def detect_all(detector: FaceDetector, frames: list[Image]) -> list[Face | None]:
    """The largest face of each frame."""
    return [next(iter(detector.detect(frame)), None) for frame in frames]


def haar_margin(images: list[Image]) -> float:
    """What is missing on each side of the cascade's boxes, as a fraction of their width."""
    detector = HaarDetector(margin=0.0, min_face_px=ENLARGED_PX // 2)
    faces = detect_all(detector, [make_frame(image, 0.0) for image in images])
    fraction = float(np.median([face.box.side / ENLARGED_PX for face in faces if face]))
    return (1 / fraction - 1) / 2


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("data", type=Path, help="fer2013.csv, plain or compressed")
    parser.add_argument("--ferplus", type=Path, help="fer2013new.csv")
    parser.add_argument("--images", type=int, default=1000, help="how many of PublicTest's")
    options = parser.parse_args()
    data = load_dataset(options.data, ferplus=options.ferplus).split("PublicTest")
    if data.votes is not None:
        data = data.select(has_majority(data.votes))
    images = list(data.images[: options.images])
    truth = data.labels if data.votes is None else data.votes.argmax(axis=1)
    labels = [int(label) for label in truth[: options.images]]
    classifier = Classifier()
    metrics: Metrics = {"images": float(len(images)), "haar_margin": haar_margin(images[:500])}
    frames = [make_frame(image, 0.0) for image in images]
    for scale in SCALES:
        score = Score(classifier)
        faces = detect_all(YuNetDetector(margin=(scale - 1) / 2), frames)
        for frame, face, label in zip(frames, faces, labels, strict=True):
            if face:
                score.add(frame, replace(face, roll_degrees=0.0), label)
        metrics[f"accuracy_scale_{scale:g}"] = score.accuracy()
    detector = YuNetDetector()
    for roll in ROLLS_DEGREES:
        frames = [make_frame(image, roll) for image in images]
        upright, turned = Score(classifier), Score(classifier)
        faces = detect_all(detector, frames)
        for frame, face, label in zip(frames, faces, labels, strict=True):
            if face:
                upright.add(frame, replace(face, roll_degrees=0.0), label)
                turned.add(frame, face, label)
        metrics[f"detected_roll_{roll}"] = sum(face is not None for face in faces) / len(faces)
        metrics[f"accuracy_roll_{roll}_upright"] = upright.accuracy()
        metrics[f"accuracy_roll_{roll}_turned"] = turned.accuracy()
    print_metrics("accuracy by crop", metrics, as_json=options.json)


if __name__ == "__main__":
    main()

"""Detection and tracking on real scenes: one-woman.mp4 and five-faces.jpg, which are not in the repository."""

import os
from collections import Counter
from pathlib import Path

import pytest

from mien.edge.classify.file_classifier import FileClassifier
from mien.edge.classify.prediction import Prediction
from mien.edge.settings import AgentSettings
from mien.edge.vision.factory import open_detector
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.settings import FaceSettings, HaarSettings
from mien.model.classifier import Classifier

SCENES = Path(os.environ.get("SCENES", "scenes"))

pytestmark = pytest.mark.skipif(
    not (SCENES / "one-woman.mp4").exists(), reason="SCENES does not name a folder with one-woman.mp4, five-faces.jpg"
)


def classify(file_name: str, *, frames_per_second: float, faces: FaceSettings) -> list[Prediction]:
    file_classifier = FileClassifier(
        VisionPipeline(faces, detector=open_detector(faces), classifier=Classifier()),
        AgentSettings(device="files", faces=faces),
        frames_per_second=frames_per_second,
        annotated_folder=None,
        advance=lambda frames: None,
    )
    return list(file_classifier.predictions(SCENES / file_name))


def test_a_woman_who_stays_is_one_track() -> None:
    predictions = classify("one-woman.mp4", frames_per_second=10, faces=HaarSettings())
    tracks = Counter(prediction.track for prediction in predictions)
    assert tracks.most_common(1)[0][1] >= 18  # of 19 seconds
    assert len(tracks) == 1


def test_the_faces_of_a_group_are_detected_and_nothing_else() -> None:
    # The centers of the five faces, located by eye, as fractions of the image's width and height.
    expected = [(0.37, 0.44), (0.48, 0.39), (0.575, 0.55), (0.735, 0.52), (0.262, 0.165)]
    predictions = classify("five-faces.jpg", frames_per_second=1, faces=HaarSettings(working_width=640))
    detected = [
        (left + width / 2, top + height / 2)
        for left, top, width, height in (prediction.box for prediction in predictions)
    ]
    nearest = [min(expected, key=lambda face: abs(face[0] - x) + abs(face[1] - y)) for x, y in detected]
    assert len(set(nearest)) == len(detected) >= 4
    pairs = zip(nearest, detected, strict=True)
    assert all(abs(face[0] - x) < 0.05 and abs(face[1] - y) < 0.08 for face, (x, y) in pairs)

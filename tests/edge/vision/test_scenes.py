"""Detection and tracking on real scenes: one-woman.mp4 and five-faces.jpg, which are not in the repository."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mien.edge.camera.frame import Frame
from mien.edge.camera.media_file import identify
from mien.edge.camera.video_file import VideoFile
from mien.edge.classify.file_classifier import FileClassifier
from mien.edge.classify.prediction import Prediction
from mien.edge.settings import AgentSettings
from mien.edge.vision.face_follower import FaceFollower
from mien.edge.vision.factory import open_detector
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.settings import FaceSettings, HaarSettings, YuNetSettings
from mien.face_detection.crop import crop_face
from mien.face_detection.face import Face
from mien.model.classifier import Classifier
from mien.model.preprocessing import preprocess

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
    return list(file_classifier.predictions(identify(SCENES / file_name)))


@pytest.mark.parametrize("faces", [YuNetSettings(), HaarSettings()], ids=["yunet", "haar"])
def test_a_woman_who_stays_is_one_track(faces: FaceSettings) -> None:
    predictions = classify("one-woman.mp4", frames_per_second=10, faces=faces)
    tracks = Counter(prediction.track for prediction in predictions)
    assert tracks.most_common(1)[0][1] >= 18  # of 19 seconds
    assert len(tracks) == 1


@pytest.mark.parametrize(("faces", "min_one_face"), [(YuNetSettings(), 0.99), (HaarSettings(), 0.98)])
def test_regions_give_the_same_faces_and_labels_as_whole_frames(faces: FaceSettings, min_one_face: float) -> None:
    detector, classifier = open_detector(faces), Classifier()
    follower = FaceFollower(detector, detect_every=faces.detect_every)

    def label(frame: Frame, face: Face) -> int:
        return int(np.argmax(classifier.predict(preprocess(crop_face(frame.gray, face)))))

    one_face, equal_labels = [], []
    with VideoFile(SCENES / "one-woman.mp4") as video:
        for at_s, image in video.images(10):
            frame = Frame.of(image, at_s)
            followed, whole = follower.locate(frame, at_s), detector.detect(image)
            one_face.append(len(followed) == 1)
            if whole:
                equal_labels.append(bool(followed) and label(frame, followed[0]) == label(frame, whole[0]))
    assert np.mean(one_face) >= min_one_face
    assert np.mean(equal_labels) >= 0.97


@pytest.mark.parametrize(("faces", "min_faces"), [(YuNetSettings(working_width=640), 5), (HaarSettings(), 4)])
def test_the_faces_of_a_group_are_detected_and_nothing_else(faces: FaceSettings, min_faces: int) -> None:
    # The centers of the five faces, located by eye, as fractions of the image's width and height.
    expected = [(0.37, 0.44), (0.48, 0.39), (0.575, 0.55), (0.735, 0.52), (0.262, 0.165)]
    predictions = classify("five-faces.jpg", frames_per_second=1, faces=faces)
    detected = [
        (left + width / 2, top + height / 2)
        for left, top, width, height in (prediction.box for prediction in predictions)
    ]
    nearest = [min(expected, key=lambda face: abs(face[0] - x) + abs(face[1] - y)) for x, y in detected]
    assert len(set(nearest)) == len(detected) >= min_faces
    pairs = zip(nearest, detected, strict=True)
    assert all(abs(face[0] - x) < 0.05 and abs(face[1] - y) < 0.08 for face, (x, y) in pairs)

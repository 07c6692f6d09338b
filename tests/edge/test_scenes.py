"""What the agent's detector and tracks make of real scenes: one-woman.mp4 and five-faces.jpg, not in the repository."""

import os
from collections import Counter
from pathlib import Path

import pytest

from mien.classifier import Classifier
from mien.edge.detector import open_detector
from mien.edge.finding import Finding
from mien.edge.reel import Reel
from mien.edge.settings import AgentSettings, Faces
from mien.edge.vision import Vision

SCENES = Path(os.environ.get("SCENES", "scenes"))

pytestmark = pytest.mark.skipif(
    not (SCENES / "one-woman.mp4").exists(), reason="SCENES does not name a folder with one-woman.mp4, five-faces.jpg"
)


def findings(name: str, *, rate: float, faces: Faces) -> list[Finding]:
    settings = AgentSettings(device="files", faces=faces)
    vision = Vision(faces, detector=open_detector(faces), classifier=Classifier())
    return list(Reel(vision, settings, rate=rate, folder=None, seen=lambda frames: None).findings(SCENES / name))


def test_a_woman_who_stays_is_one_track() -> None:
    tracks = Counter(one.track for one in findings("one-woman.mp4", rate=10, faces=Faces()))
    assert tracks.most_common(1)[0][1] >= 18  # of 19 seconds
    assert len(tracks) == 1


def test_a_group_s_faces_are_found_and_nothing_else() -> None:
    # Where the five are, by eye: middles as fractions of the picture's width and height.
    faces = [(0.37, 0.44), (0.48, 0.39), (0.575, 0.55), (0.735, 0.52), (0.262, 0.165)]
    found = [
        (left + width / 2, top + height / 2)
        for left, top, width, height in (
            one.box for one in findings("five-faces.jpg", rate=1, faces=Faces(working_width=640))
        )
    ]
    near = [min(faces, key=lambda face: abs(face[0] - x) + abs(face[1] - y)) for x, y in found]
    assert len(set(near)) == len(found) >= 4
    assert all(abs(face[0] - x) < 0.05 and abs(face[1] - y) < 0.08 for face, (x, y) in zip(near, found, strict=True))

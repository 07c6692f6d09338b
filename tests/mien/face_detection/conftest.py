"""The detectors, and a frame with a face at a known place."""

import cv2
import pytest
from face_scenes import Scene

from mien.face_detection.detector import FaceDetector
from mien.face_detection.haar import HaarDetector
from mien.face_detection.yunet import YuNetDetector


@pytest.fixture(params=["yunet", "haar"])
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    """Each detector with its defaults at the agent."""
    if request.param == "yunet":
        return YuNetDetector()
    if not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("OpenCV 5 has no Haar cascade")
    return HaarDetector()


@pytest.fixture
def scene() -> Scene:
    """One face left of the center."""
    return Scene().add(50, 100)

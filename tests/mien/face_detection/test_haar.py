"""What is the Haar cascade's own; what all detectors share is in test_conformance.py."""

import inspect

import cv2
import msgspec
import pytest
from face_scenes import Scene

from mien.edge.vision.settings import HaarSettings
from mien.errors import ConfigurationError
from mien.face_detection.haar import HaarDetector

without_cascades = pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="OpenCV 5 has no Haar cascade")


@without_cascades
def test_the_margin_widens_the_crop_on_each_side(scene: Scene) -> None:
    (tight,) = (face.box for face in HaarDetector(margin=0.0).detect(scene.frame))
    (wide,) = (face.box for face in HaarDetector(margin=0.25).detect(scene.frame))
    assert wide.side == pytest.approx(tight.side * 1.5, abs=1)
    assert wide.left == pytest.approx(tight.left - tight.side / 4, abs=1)


@without_cascades
def test_a_crop_stays_square_and_inside_the_frame(scene: Scene) -> None:
    corner = scene.gray[130:300, 120:300]
    for face in HaarDetector(margin=1.0).detect(corner):
        assert face.box.crop(corner).shape == (face.box.side, face.box.side)


@without_cascades
def test_it_has_no_landmarks(scene: Scene) -> None:
    (face,) = HaarDetector().detect(scene.frame)
    assert (face.landmarks, face.score, face.roll_degrees, face.cut_off) == (None, 1.0, 0.0, 0.0)


def test_the_agent_s_defaults_are_those_of_the_detector() -> None:
    settings = msgspec.structs.asdict(HaarSettings())
    for name, setting in inspect.signature(HaarDetector).parameters.items():
        assert settings[name] == setting.default


def test_an_opencv_without_cascades_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    with pytest.raises(ConfigurationError, match=r'has no Haar cascades: set faces.detector = "yunet", or install'):
        HaarDetector()

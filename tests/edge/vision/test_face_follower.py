"""Faces in a stream of frames: by the Haar cascade or YuNet in every frame, or with template matching in between."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.edge.camera import demo_camera
from mien.edge.camera.frame import read_image
from mien.edge.settings import AgentSettings
from mien.edge.vision.face_follower import FaceFollower
from mien.edge.vision.factory import open_detector
from mien.edge.vision.settings import FaceSettings, HaarSettings, YuNetSettings
from mien.errors import ConfigurationError, ModelError
from mien.face_detection.box import Box
from mien.face_detection.haar import HaarDetector
from mien.settings.load import to_settings

PORTRAIT = read_image(demo_camera.PORTRAIT)
FACE = Box(left=75, top=68, side=100)
"""In the portrait: from temple to temple, from hairline to chin."""
SETTINGS: dict[str, FaceSettings] = {
    "haar": HaarSettings(),
    "haar, every 3rd frame": HaarSettings(detect_every=3),
    "yunet": YuNetSettings(detector_model=os.environ.get("YUNET", "")),
    "yunet, every 3rd frame": YuNetSettings(detector_model=os.environ.get("YUNET", ""), detect_every=3),
}
Locate = Callable[[NDArray[np.uint8]], list[Box]]
"""Locates the faces in the next frame of a stream."""


def make_scene(left: int = 50, top: int = 100) -> NDArray[np.uint8]:
    """The portrait at a position on a gray background."""
    frame = np.full((480, 640), 96, np.uint8)
    frame[top : top + 260, left : left + 240] = PORTRAIT
    return frame


@pytest.fixture(params=SETTINGS)
def settings(request: pytest.FixtureRequest) -> FaceSettings:
    settings = SETTINGS[request.param]
    if isinstance(settings, YuNetSettings) and not settings.detector_model:
        pytest.skip("YUNET does not name face_detection_yunet_2023mar.onnx from the OpenCV Zoo")
    return settings


@pytest.fixture
def locate(settings: FaceSettings) -> Locate:
    """Of a stream of ten frames a second."""
    follower = FaceFollower(open_detector(settings), detect_every=settings.detect_every)
    times_s = itertools.count(0.0, 0.1)
    return lambda gray: follower.locate(gray, next(times_s))


def test_it_locates_the_face_and_nothing_else(locate: Locate) -> None:
    for _ in range(4):
        (box,) = locate(make_scene())
        assert box.iou(Box(FACE.left + 50, FACE.top + 100, FACE.side)) > 0.5


def test_an_empty_frame_has_no_face(locate: Locate) -> None:
    for _ in range(4):
        assert locate(np.full((480, 640), 96, np.uint8)) == []


def test_the_largest_face_comes_first_and_every_box_is_inside_the_frame(locate: Locate) -> None:
    frame = make_scene(400, 200)
    frame[:416, :384] = cv2.resize(PORTRAIT, (384, 416))
    for _ in range(4):
        large, small = locate(frame)
        assert large.side > 1.3 * small.side
        for box in (large, small):
            assert box.crop(frame).shape == (box.side, box.side)


def test_a_moving_face_is_located_at_its_position(locate: Locate) -> None:
    for step in range(12):
        left, top = 20 + 15 * step, 40 + 8 * step  # half a face a second at ten frames a second
        (box,) = locate(make_scene(left, top))
        assert box.iou(Box(FACE.left + left, FACE.top + top, FACE.side)) > 0.5


def test_a_small_frame_is_not_an_error(locate: Locate) -> None:
    assert locate(np.full((40, 30), 96, np.uint8)) == []


class CountingDetector:
    """The Haar cascade, counting its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self._detector = HaarDetector()

    def detect(self, gray: NDArray[np.uint8]) -> list[Box]:
        self.calls += 1
        return self._detector.detect(gray)


def test_the_detector_runs_on_every_third_frame_only() -> None:
    detector = CountingDetector()
    follower = FaceFollower(detector, detect_every=3)
    for number in range(9):
        assert len(follower.locate(make_scene(), number / 10)) == 1
    assert detector.calls == 3


def test_a_face_that_is_gone_is_no_longer_followed() -> None:
    detector = CountingDetector()
    follower = FaceFollower(detector, detect_every=30)
    assert len(follower.locate(make_scene(), 0.0)) == 1
    assert follower.locate(np.full((480, 640), 96, np.uint8), 0.1) == []
    noise = np.random.default_rng(1).integers(0, 255, (480, 640)).astype(np.uint8)
    assert follower.locate(noise, 0.2) == []
    assert follower.locate(make_scene(), 0.3) == []  # until the detector runs again
    assert detector.calls == 1


def test_after_a_pause_the_detector_runs_again() -> None:
    detector = CountingDetector()
    follower = FaceFollower(detector, detect_every=30)
    follower.locate(make_scene(), 0.0)
    (box,) = follower.locate(make_scene(350, 200), 5.0)
    assert box.iou(Box(FACE.left + 350, FACE.top + 200, FACE.side)) > 0.5
    assert detector.calls == 2


def test_each_stream_follows_its_own_faces() -> None:
    detector = CountingDetector()
    first, second = (FaceFollower(detector, detect_every=30) for _ in range(2))
    for number in range(4):
        (left_box,) = first.locate(make_scene(50, 100), number / 10)
        (right_box,) = second.locate(make_scene(350, 200), number / 10)
        assert left_box.iou(Box(FACE.left + 50, FACE.top + 100, FACE.side)) > 0.5
        assert right_box.iou(Box(FACE.left + 350, FACE.top + 200, FACE.side)) > 0.5
    assert detector.calls == 2


@pytest.mark.parametrize("content", [None, b"not a network"])
def test_a_file_that_is_not_a_yunet_is_an_error_with_a_hint(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "yunet.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        ModelError, match=r"yunet.onnx cannot be read as a YuNet model .*download face_detection_yunet_2023mar.onnx"
    ):
        open_detector(YuNetSettings(detector_model=str(file)))


def test_a_yunet_without_its_file_is_an_invalid_setting() -> None:
    with pytest.raises(
        ConfigurationError, match="faces: detector_model is not set: The ONNX file face_detection_yunet"
    ):
        to_settings({"device": "hallway", "faces": {"detector": "yunet"}}, AgentSettings, source="agent.toml")

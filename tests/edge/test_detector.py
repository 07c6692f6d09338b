"""What every face detector promises: the cascade, the network, and both where faces are followed in between."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import mien.broker
from mien.edge.detector import open_detector
from mien.edge.following import FollowingDetector
from mien.edge.settings import Faces
from mien.errors import ModelError
from mien.faces import Box, FaceDetector, HaarDetector

PORTRAIT = cv2.imread(str(Path(next(iter(mien.broker.__path__))) / "portrait.jpg"), cv2.IMREAD_GRAYSCALE)
FACE = Box(left=75, top=68, side=100)
"""In the portrait: from temple to temple, from fringe to chin."""
SETTINGS = {
    "haar": Faces(),
    "haar, followed": Faces(every=3),
    "yunet": Faces(detector="yunet", detector_model=os.environ.get("YUNET", "")),
    "yunet, followed": Faces(detector="yunet", detector_model=os.environ.get("YUNET", ""), every=3),
}


def scene(left: int = 50, top: int = 100) -> NDArray[np.uint8]:
    """The portrait somewhere on a grey wall."""
    frame = np.full((480, 640), 96, np.uint8)
    frame[top : top + 260, left : left + 240] = PORTRAIT
    return frame


@pytest.fixture(params=SETTINGS)
def settings(request: pytest.FixtureRequest) -> Faces:
    chosen = SETTINGS[request.param]
    if chosen.detector_model == "":
        pytest.skip("YUNET does not name face_detection_yunet_2023mar.onnx of the OpenCV Zoo")
    return chosen


@pytest.fixture
def detector(settings: Faces) -> FaceDetector:
    return open_detector(settings)


def test_it_finds_the_face_and_nothing_else(detector: FaceDetector) -> None:
    for _ in range(4):
        (box,) = detector.find(scene())
        assert box.overlap(Box(FACE.left + 50, FACE.top + 100, FACE.side)) > 0.5


def test_an_empty_frame_has_no_face(detector: FaceDetector) -> None:
    for _ in range(4):
        assert detector.find(np.full((480, 640), 96, np.uint8)) == []


def test_the_largest_face_comes_first_and_every_box_is_in_the_frame(detector: FaceDetector) -> None:
    frame = scene(400, 200)
    frame[:416, :384] = cv2.resize(PORTRAIT, (384, 416))
    for _ in range(4):
        large, small = detector.find(frame)
        assert large.side > 1.3 * small.side
        for box in (large, small):
            assert box.crop(frame).shape == (box.side, box.side)


def test_a_face_that_moves_is_found_where_it_is(detector: FaceDetector) -> None:
    for step in range(12):
        left, top = 20 + 15 * step, 40 + 8 * step  # half a face a second at ten frames a second
        (box,) = detector.find(scene(left, top))
        assert box.overlap(Box(FACE.left + left, FACE.top + top, FACE.side)) > 0.5


def test_a_small_frame_is_no_error(detector: FaceDetector) -> None:
    assert detector.find(np.full((40, 30), 96, np.uint8)) == []


class Counting:
    """The cascade, counting how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self._detector = HaarDetector()

    def find(self, gray: NDArray[np.uint8]) -> list[Box]:
        self.asked += 1
        return self._detector.find(gray)


@pytest.fixture
def follow() -> Callable[..., tuple[FollowingDetector, Counting]]:
    def make(every: int, now_s: Callable[[], float] = lambda: 0.0) -> tuple[FollowingDetector, Counting]:
        counting = Counting()
        return FollowingDetector(counting, every=every, now_s=now_s), counting

    return make


def test_faces_are_looked_for_in_every_third_frame_only(
    follow: Callable[..., tuple[FollowingDetector, Counting]],
) -> None:
    detector, counting = follow(3)
    for _ in range(9):
        assert len(detector.find(scene())) == 1
    assert counting.asked == 3


def test_a_face_that_has_gone_is_not_followed(follow: Callable[..., tuple[FollowingDetector, Counting]]) -> None:
    detector, counting = follow(30)
    assert len(detector.find(scene())) == 1
    assert detector.find(np.full((480, 640), 96, np.uint8)) == []
    noise = np.random.default_rng(1).integers(0, 255, (480, 640)).astype(np.uint8)
    assert detector.find(noise) == []
    assert detector.find(scene()) == []  # until it is looked for again
    assert counting.asked == 1


def test_after_a_pause_nothing_is_where_it_was(follow: Callable[..., tuple[FollowingDetector, Counting]]) -> None:
    now_s = [0.0]
    detector, counting = follow(30, lambda: now_s[0])
    detector.find(scene())
    now_s[0] = 5.0
    (box,) = detector.find(scene(350, 200))
    assert box.overlap(Box(FACE.left + 350, FACE.top + 200, FACE.side)) > 0.5
    assert counting.asked == 2


@pytest.mark.parametrize("content", [None, b"no network"])
def test_a_file_that_is_no_yunet_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "yunet.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        ModelError, match=r"yunet.onnx cannot be read as a YuNet .*get face_detection_yunet_2023mar.onnx"
    ):
        open_detector(Faces(detector="yunet", detector_model=str(file)))


def test_a_yunet_without_its_file_is_a_wrong_setting() -> None:
    with pytest.raises(msgspec.ValidationError, match="detector_model is not set"):
        msgspec.convert({"detector": "yunet"}, Faces)

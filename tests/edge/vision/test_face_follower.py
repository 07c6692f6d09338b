"""Faces in a stream of frames: by each detector, in whole frames or around known faces; and what is searched when."""

import itertools
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.edge.camera import demo_camera
from mien.edge.camera.frame import Frame
from mien.edge.camera.image_file import read_image
from mien.edge.vision.face_follower import FaceFollower
from mien.edge.vision.factory import open_detector
from mien.edge.vision.settings import FaceSettings, HaarSettings, YuNetSettings
from mien.face_detection.box import Box, Region
from mien.face_detection.face import Face

PORTRAIT = read_image(demo_camera.PORTRAIT)
FACE = Box(left=75, top=68, side=100)
"""In the portrait: from temple to temple, from hairline to chin."""
SETTINGS: dict[str, FaceSettings] = {
    "yunet": YuNetSettings(),
    "yunet in every frame": YuNetSettings(detect_every=1),
    "haar": HaarSettings(),
    "haar in every frame": HaarSettings(detect_every=1),
}
Locate = Callable[[NDArray[np.uint8]], list[Face]]
"""Finds the faces in the next frame of a stream of ten frames a second."""


def make_scene(left: int = 50, top: int = 100) -> NDArray[np.uint8]:
    """The portrait at a position on a gray background."""
    frame = np.full((480, 640), 96, np.uint8)
    frame[top : top + 260, left : left + 240] = PORTRAIT
    return frame


@pytest.fixture(params=SETTINGS)
def locate(request: pytest.FixtureRequest) -> Locate:
    settings = SETTINGS[request.param]
    follower = FaceFollower(open_detector(settings), detect_every=settings.detect_every)
    times_s = itertools.count(0.0, 0.1)
    return lambda gray: follower.locate(Frame(gray, 0.0), next(times_s))


def test_it_finds_the_face_and_nothing_else(locate: Locate) -> None:
    for _ in range(4):
        (face,) = locate(make_scene())
        assert face.box.iou(Box(FACE.left + 50, FACE.top + 100, FACE.side)) > 0.5


def test_an_empty_frame_has_no_face(locate: Locate) -> None:
    for _ in range(4):
        assert locate(np.full((480, 640), 96, np.uint8)) == []


def test_the_largest_face_comes_first_and_every_box_is_inside_the_frame(locate: Locate) -> None:
    frame = make_scene(400, 200)
    frame[:416, :384] = cv2.resize(PORTRAIT, (384, 416))
    for _ in range(4):
        large, small = locate(frame)
        assert large.box.side > 1.3 * small.box.side
        for face in (large, small):
            assert face.box.crop(frame).shape == (face.box.side, face.box.side)


@pytest.mark.parametrize("step_px", [30, 60, 90])
def test_a_moving_face_is_found_at_its_position(locate: Locate, step_px: int) -> None:
    for left in range(0, 400, step_px):  # at up to nine tenths of its size from frame to frame
        (face,) = locate(make_scene(left, 100))
        assert face.box.iou(Box(FACE.left + left, FACE.top + 100, FACE.side)) > 0.5


def test_a_small_frame_is_not_an_error(locate: Locate) -> None:
    for _ in range(3):
        assert locate(np.full((40, 30), 96, np.uint8)) == []


class DrawnFaces:
    """A detector that finds white squares, completely inside of what it searches, and records where it searches."""

    def __init__(self) -> None:
        self.regions: list[Region | None] = []

    def detect(self, frame: NDArray[np.uint8], *, region: Region | None = None) -> list[Face]:
        self.regions.append(region)
        height, width = frame.shape[:2]
        left, top, region_width, region_height = region or Region(0, 0, width, height)
        assert 0 <= left < left + region_width <= width
        assert 0 <= top < top + region_height <= height
        faces = []
        for x, y, face_width, face_height in _white_squares(frame):
            if left <= x and x + face_width <= left + region_width and top <= y <= top + region_height - face_height:
                faces.append(Face(box=Box(x, y, face_width), score=0.9))
        return sorted(faces, key=lambda face: face.box.side, reverse=True)

    @property
    def whole_frames(self) -> int:
        """How many whole frames have been searched."""
        return self.regions.count(None)


def _white_squares(frame: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    count, _, rectangles, _ = cv2.connectedComponentsWithStats((frame > 200).astype(np.uint8))
    squares = [tuple(int(value) for value in rectangle[:4]) for rectangle in rectangles[1:count]]
    return [square for square in squares if square[2] == square[3]]  # type: ignore[misc]


def draw(*squares: tuple[int, int, int]) -> Frame:
    """Left, top and side of white squares on black."""
    frame = np.zeros((480, 640), np.uint8)
    for left, top, side in squares:
        frame[top : top + side, left : left + side] = 255
    return Frame(frame, 0.0)


@pytest.fixture
def detector() -> DrawnFaces:
    return DrawnFaces()


@pytest.fixture
def follower(detector: DrawnFaces) -> FaceFollower:
    return FaceFollower(detector, detect_every=10)


def test_between_whole_frames_only_the_surroundings_of_a_face_are_searched(
    detector: DrawnFaces, follower: FaceFollower
) -> None:
    for number in range(20):
        (face,) = follower.locate(draw((300, 200, 60)), number / 10)
        assert face.box == Box(300, 200, 60)
    assert detector.whole_frames == 2
    regions = [region for region in detector.regions if region is not None]
    assert len(regions) == 18
    assert all(region.width == region.height <= 4 * 60 for region in regions)


def test_an_empty_room_in_which_nothing_moves_is_searched_now_and_then(
    detector: DrawnFaces, follower: FaceFollower
) -> None:
    noise = np.random.default_rng(1)
    for number in range(20):
        gray = np.clip(noise.normal(80, 12, (480, 640)), 0, 255).astype(np.uint8)
        assert follower.locate(Frame(gray, 0.0), number / 10) == []
    assert detector.regions == [None, None]


def test_a_cloud_does_not_count_as_something_that_moves(detector: DrawnFaces, follower: FaceFollower) -> None:
    for number in range(9):
        follower.locate(Frame(np.full((480, 640), 100 + 8 * number, np.uint8), 0.0), number / 10)
    assert detector.regions == [None]


def test_whoever_comes_in_is_found_at_once(detector: DrawnFaces, follower: FaceFollower) -> None:
    for number in range(3):
        assert follower.locate(draw(), number / 10) == []
    assert len(follower.locate(draw((20, 200, 40)), 0.3)) == 1


def test_after_a_cut_or_when_a_lamp_is_switched_on_a_face_is_found_at_once(
    detector: DrawnFaces, follower: FaceFollower
) -> None:
    room = np.random.default_rng(1).integers(0, 180, (12, 16)).astype(np.uint8)
    lit = cv2.resize(room, (640, 480), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    lit[200:260, 300:360] = 255
    for number in range(3):
        assert follower.locate(Frame(lit // 8, 0.0), number / 10) == []
    (face,) = follower.locate(Frame(lit, 0.0), 0.3)
    assert face.box == Box(300, 200, 60)


def test_whoever_joins_a_known_face_is_found_within_two_frames(detector: DrawnFaces, follower: FaceFollower) -> None:
    for number in range(3):
        follower.locate(draw((500, 200, 60)), number / 10)
    follower.locate(draw((500, 200, 60), (20, 200, 40)), 0.3)
    assert len(follower.locate(draw((500, 200, 60), (50, 200, 40)), 0.4)) == 2


def test_a_known_person_s_gestures_do_not_cost_whole_searches(detector: DrawnFaces, follower: FaceFollower) -> None:
    for number in range(10):
        frame = draw((300, 150, 60))
        frame.gray[300:400, 240 + 10 * (number % 2) : 340] = 150
        assert len(follower.locate(frame, number / 10)) == 1
    assert detector.whole_frames == 1


def test_something_that_never_stops_moving_costs_every_second_frame(
    detector: DrawnFaces, follower: FaceFollower
) -> None:
    for number in range(10):
        frame = draw((500, 200, 60))
        frame.gray[100:140, 100 + 30 * (number % 2) : 140 + 30 * (number % 2)] = 150
        assert len(follower.locate(frame, number / 10)) == 1
    assert detector.whole_frames == 5


def test_a_face_that_is_gone_is_searched_for_once_and_then_where_it_was_for_a_second(
    detector: DrawnFaces, follower: FaceFollower
) -> None:
    follower = FaceFollower(detector, detect_every=30)
    follower.locate(draw((300, 200, 60)), 0.0)
    for number in range(1, 25):
        assert follower.locate(draw(), number / 10) == []
    assert detector.whole_frames == 2
    assert 10 <= len(detector.regions) - 2 <= 13


def test_a_face_that_is_covered_for_a_moment_is_found_again(detector: DrawnFaces) -> None:
    follower = FaceFollower(detector, detect_every=30)
    for number in range(10):
        faces = follower.locate(draw() if number in (4, 5, 6) else draw((100 + 6 * number, 200, 60)), number / 10)
        assert len(faces) == (number not in (4, 5, 6))


def test_a_face_in_two_regions_is_one_face(detector: DrawnFaces, follower: FaceFollower) -> None:
    for number in range(9):
        faces = follower.locate(draw((300, 200, 60), (370, 200, 60)), number / 10)
        assert {face.box for face in faces} == {Box(300, 200, 60), Box(370, 200, 60)}
        assert len(faces) == 2
    assert detector.whole_frames == 1


def test_a_walker_is_followed_to_the_edge_of_the_frame_and_never_beyond(
    detector: DrawnFaces, follower: FaceFollower
) -> None:
    for number in range(20):  # the detector checks that its regions are inside of the frame
        left = 70 * number
        faces = follower.locate(draw((left, 200, 60)) if left <= 580 else draw(), number / 10)
        assert len(faces) == (left <= 580)


@pytest.mark.parametrize("pause_s", [0.0, -3.0, 1.0, 3600.0])
def test_after_a_pause_the_whole_frame_is_searched(
    detector: DrawnFaces, follower: FaceFollower, pause_s: float
) -> None:
    follower.locate(draw((300, 200, 60)), 5.0)
    (face,) = follower.locate(draw((100, 300, 80)), 5.0 + pause_s)
    assert face.box == Box(100, 300, 80)
    assert detector.whole_frames == 2


def test_another_size_of_frame_starts_anew(detector: DrawnFaces, follower: FaceFollower) -> None:
    follower.locate(draw((300, 200, 60)), 0.0)
    small = np.zeros((240, 320), np.uint8)
    small[20:60, 30:70] = 255
    (face,) = follower.locate(Frame(small, 0.0), 0.1)
    assert face.box == Box(30, 20, 40)


def test_each_stream_follows_its_own_faces(detector: DrawnFaces) -> None:
    first, second = (FaceFollower(detector, detect_every=30) for _ in range(2))
    for number in range(4):
        assert [face.box.left for face in first.locate(draw((50, 100, 60)), number / 10)] == [50]
        assert [face.box.left for face in second.locate(draw((450, 300, 60)), number / 10)] == [450]
    assert detector.whole_frames == 2


def test_faces_are_detected_in_color_where_the_camera_has_it() -> None:
    shapes = []

    class ShapeRecorder(DrawnFaces):
        def detect(self, frame: NDArray[np.uint8], *, region: Region | None = None) -> list[Face]:
            shapes.append(frame.shape)
            return [Face(box=Box(300, 200, 60), score=0.9)]

    follower = FaceFollower(ShapeRecorder(), detect_every=10)
    for number in range(3):
        follower.locate(Frame.of(np.zeros((480, 640, 3), np.uint8), 0.0), number / 10)
    assert shapes == [(480, 640, 3)] * 3

"""What every face detector promises, whatever it is made of."""

import cv2
import numpy as np
import pytest
from face_scenes import Scene
from numpy.typing import NDArray

from mien.face_detection.box import Box, Region
from mien.face_detection.detector import FaceDetector
from mien.face_detection.face import Face

Image = NDArray[np.uint8]


def place(face: Face) -> tuple[int, int, int]:
    return face.box.left, face.box.top, face.box.side


def is_inside(box: Box, frame: Image) -> bool:
    return box.side > 0 and box.crop(frame).shape[:2] == (box.side, box.side)


def turned(frame: Image, roll_degrees: float, center: tuple[float, float]) -> Image:
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D(center, -roll_degrees, 1.0)
    return cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def test_an_upright_face_is_found_in_color_and_in_gray(detector: FaceDetector, scene: Scene) -> None:
    for frame in (scene.frame, scene.gray):
        (face,) = detector.detect(frame)
        assert face.box.iou(scene.faces[0]) > 0.5
        assert 0.5 < face.score <= 1.0
        assert face.cut_off == 0.0


@pytest.mark.parametrize("roll_degrees", [-12, 12])
def test_a_slightly_rolled_face_is_found(detector: FaceDetector, scene: Scene, roll_degrees: float) -> None:
    box = scene.faces[0]
    center = box.left + box.side / 2, box.top + box.side / 2
    (face,) = detector.detect(turned(scene.frame, roll_degrees, center))
    assert face.box.iou(box) > 0.4


def test_the_largest_face_comes_first(detector: FaceDetector) -> None:
    scene = Scene().add(400, 250, scale=0.8).add(10, 10, scale=1.6)
    large, small = detector.detect(scene.frame)
    assert large.box.iou(scene.faces[1]) > 0.5
    assert small.box.iou(scene.faces[0]) > 0.5


@pytest.mark.parametrize("brightness", [0, 96, 255])
def test_a_uniform_frame_has_no_face(detector: FaceDetector, brightness: int) -> None:
    assert detector.detect(np.full((480, 640, 3), brightness, np.uint8)) == []


def test_patterns_and_noise_have_no_face(detector: FaceDetector) -> None:
    noise = np.random.default_rng(1).normal(128, 30, (480, 640)).clip(0, 255).astype(np.uint8)
    rows, columns = np.indices((480, 640))
    checkerboard = ((rows // 40 + columns // 40) % 2 * 200).astype(np.uint8)
    gradient = (columns * 255 // 640).astype(np.uint8)
    for frame in (noise, checkerboard, gradient):
        assert detector.detect(frame) == []


def test_a_face_in_the_dark_is_found(detector: FaceDetector, scene: Scene) -> None:
    for frame in (scene.frame, scene.gray):
        (face,) = detector.detect((frame * 0.05).astype(np.uint8))
        assert face.box.iou(scene.faces[0]) > 0.5


def test_a_frame_of_any_size_is_searched(detector: FaceDetector) -> None:
    random = np.random.default_rng(2)
    for shape in [(1, 1), (1, 500), (500, 1), (2, 3), (17, 33), (31, 500), (64, 64), (65, 321), (7, 4000), (3000, 9)]:
        for channels in ((), (3,)):
            frame = random.integers(0, 255, shape + channels).astype(np.uint8)
            for face in detector.detect(frame):
                assert is_inside(face.box, frame)


def test_a_face_in_a_huge_frame_is_found_at_its_place(detector: FaceDetector, scene: Scene) -> None:
    frame = cv2.resize(scene.frame, None, fx=7.5, fy=7.5, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    (face,) = detector.detect(frame)
    left, top, side = (round(7.5 * length) for length in (place(Face(box=scene.faces[0], score=1.0))))
    assert face.box.iou(Box(left, top, side)) > 0.5


def test_frames_that_are_not_contiguous_or_read_only_are_searched(detector: FaceDetector, scene: Scene) -> None:
    wide = np.repeat(scene.frame, 2, axis=1)[:, ::2]
    flipped = np.ascontiguousarray(scene.frame[:, ::-1])[:, ::-1]
    read_only = scene.frame.copy()
    read_only.flags.writeable = False
    transposed = np.ascontiguousarray(scene.gray.T).T
    (expected,) = detector.detect(scene.frame)
    for frame in (wide, flipped, read_only):
        assert [place(face) for face in detector.detect(frame)] == [place(expected)]
    assert [place(face) for face in detector.detect(transposed)] == [
        place(face) for face in detector.detect(scene.gray)
    ]


def test_the_frame_is_left_as_it_is(detector: FaceDetector, scene: Scene) -> None:
    before = scene.frame.copy()
    detector.detect(scene.frame)
    detector.detect(scene.frame, region=Region(50, 100, 240, 240))
    assert np.array_equal(scene.frame, before)


def test_a_box_at_the_edge_is_inside_the_frame(detector: FaceDetector, scene: Scene) -> None:
    box = scene.faces[0]
    cut = scene.frame[box.top + 8 :, box.left + 8 : box.left + box.side + 60]
    for face in detector.detect(np.ascontiguousarray(cut)):
        assert is_inside(face.box, cut)


def test_a_region_gives_boxes_in_pixels_of_the_frame(detector: FaceDetector, scene: Scene) -> None:
    box = scene.faces[0]
    for grow in (0.4, 0.75, 1.0):
        margin = round(box.side * grow)
        region = Region(box.left - margin, box.top - margin, box.side + 2 * margin, box.side + 2 * margin)
        for frame in (scene.frame, scene.gray):
            (face,) = detector.detect(frame, region=region)
            assert face.box.iou(box) > 0.5


def test_only_the_region_is_searched(detector: FaceDetector) -> None:
    scene = Scene().add(20, 100).add(360, 100)
    (face,) = detector.detect(scene.frame, region=Region(360, 110, 240, 240))
    assert face.box.iou(scene.faces[1]) > 0.5
    assert detector.detect(scene.frame, region=Region(0, 0, 80, 80)) == []


@pytest.mark.parametrize(
    "region",
    [(640, 0, 50, 50), (-90, -90, 80, 80), (0, 0, 0, 0), (10, 10, 1, 1), (639, 479, 90, 90), (-50, -50, 5000, 5000)],
)
def test_a_region_beyond_the_frame_is_no_error(detector: FaceDetector, region: tuple[int, int, int, int]) -> None:
    assert detector.detect(np.full((480, 640), 96, np.uint8), region=Region(*region)) == []


def test_nothing_is_kept_from_one_frame_to_the_next(detector: FaceDetector, scene: Scene) -> None:
    others = [Scene().add(350, 150).frame, np.zeros((90, 70), np.uint8), scene.gray]
    first = [place(face) for face in detector.detect(scene.frame)]
    region = Region(60, 110, 230, 230)
    first_in_region = [place(face) for face in detector.detect(scene.frame, region=region)]
    for other in others:
        detector.detect(other)
        detector.detect(other, region=Region(0, 0, 60, 60))
        assert [place(face) for face in detector.detect(scene.frame)] == first
        assert [place(face) for face in detector.detect(scene.frame, region=region)] == first_in_region


def test_landmarks_are_not_printed(detector: FaceDetector, scene: Scene) -> None:
    (face,) = detector.detect(scene.frame)
    assert "landmarks" not in repr(face)
    assert "landmarks" not in str([face])

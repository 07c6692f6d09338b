from dataclasses import replace

import cv2
import numpy as np
import pytest
from face_scenes import Scene

from mien.face_detection.box import Box
from mien.face_detection.crop import MIN_ROLL_DEGREES, crop_face
from mien.face_detection.face import Face
from mien.model.preprocessing import preprocess


def turned_scene(scene: Scene, roll_degrees: float) -> tuple[np.ndarray, Face]:
    """The gray frame with the face turned clockwise about its center, and the face as a detector would give it."""
    box = scene.faces[0]
    center = box.left + (box.side - 1) / 2, box.top + (box.side - 1) / 2
    matrix = cv2.getRotationMatrix2D(center, -roll_degrees, 1.0)
    frame = cv2.warpAffine(scene.gray, matrix, (640, 480), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return frame.astype(np.uint8), Face(box=box, score=1.0, roll_degrees=roll_degrees)


@pytest.mark.parametrize("roll_degrees", [-75.0, -20.0, 9.0, 35.0, 90.0, 180.0])
def test_a_rolled_face_is_turned_upright(scene: Scene, roll_degrees: float) -> None:
    frame, face = turned_scene(scene, roll_degrees)
    upright = scene.faces[0].crop(scene.gray).astype(float)
    difference = np.abs(crop_face(frame, face) - upright).mean()
    rolled = np.abs(face.box.crop(frame) - upright).mean()
    assert difference < 3  # of 255: twice interpolated
    assert difference < rolled / 3


@pytest.mark.parametrize("roll_degrees", [0.0, 5.0, -MIN_ROLL_DEGREES + 0.1])
def test_a_face_that_is_nearly_upright_is_cropped_as_it_is(scene: Scene, roll_degrees: float) -> None:
    face = Face(box=scene.faces[0], score=1.0, roll_degrees=roll_degrees)
    assert np.array_equal(crop_face(scene.gray, face), face.box.crop(scene.gray))


@pytest.mark.parametrize("box", [Box(0, 0, 60), Box(580, 420, 60), Box(0, 0, 480), Box(639, 479, 1), Box(300, 0, 7)])
def test_a_turned_crop_at_the_edge_is_square(scene: Scene, box: Box) -> None:
    for roll_degrees in (-170.0, -30.0, 45.0, 90.0):
        crop = crop_face(scene.gray, Face(box=box, score=1.0, roll_degrees=roll_degrees))
        assert crop.shape == (box.side, box.side)
        assert crop.dtype == np.uint8
        assert preprocess(crop).shape == (48, 48)


def test_beyond_the_frame_its_edge_is_repeated() -> None:
    frame = np.full((100, 100), 200, np.uint8)
    face = Face(box=Box(0, 0, 100), score=1.0, roll_degrees=45.0)
    assert np.array_equal(crop_face(frame, face), frame)


def test_the_frame_is_left_as_it_is(scene: Scene) -> None:
    frame, face = turned_scene(scene, 30.0)
    before = frame.copy()
    crop_face(frame, replace(face, roll_degrees=30.0))
    assert np.array_equal(frame, before)

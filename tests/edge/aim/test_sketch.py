"""The sketch shows the room, and nobody's face."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.edge.aim.sketch import Sketch, draw_sketch
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image
from mien.edge.vision.factory import open_detector
from mien.edge.vision.settings import HaarSettings, YuNetSettings
from mien.face_detection.box import Box

DETECTORS = [open_detector(YuNetSettings(min_score=0.5, detect_every=1)), open_detector(HaarSettings(detect_every=1))]


def points(sketch: Sketch) -> NDArray[np.uint8]:
    """(height, width), 1 for an edge."""
    rows = np.frombuffer(sketch.bits, np.uint8).reshape(sketch.height, -1)
    return np.unpackbits(rows, axis=1)[:, : sketch.width]


def scene(portrait_height: int) -> NDArray[np.uint8]:
    """The portrait, of that height, in the middle of a gray frame of 640x480."""
    portrait = read_image(PORTRAIT)
    width = round(portrait.shape[1] * portrait_height / portrait.shape[0])
    portrait = cv2.resize(portrait, (width, portrait_height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    frame = np.full((480, 640), 96, np.uint8)
    top, left = (480 - portrait_height) // 2, (640 - width) // 2
    frame[top : top + portrait_height, left : left + width] = portrait
    return frame


def test_outlines_are_drawn_where_they_are() -> None:
    frame = np.full((480, 640), 40, np.uint8)
    frame[160:320, 200:440] = 200  # a table
    sketch = draw_sketch(frame, [])
    assert (sketch.width, sketch.height) == (80, 60)
    drawn = np.argwhere(points(sketch))
    assert np.abs(drawn.min(axis=0) - (20, 25)).max() <= 1
    assert np.abs(drawn.max(axis=0) - (40, 55)).max() <= 1
    assert not points(sketch)[25:35, 30:50].any()


def test_a_wall_and_the_camera_s_noise_give_no_edge() -> None:
    noise = np.random.default_rng(1).normal(100, 12, (480, 640)).clip(0, 255).astype(np.uint8)
    assert not points(draw_sketch(noise, [])).any()


def test_a_face_that_was_found_is_blank() -> None:
    frame = scene(400)
    (face,) = DETECTORS[0].detect(frame)
    drawn = points(draw_sketch(frame, [face.box]))
    assert points(draw_sketch(frame, []))[inside(face.box)].any()
    assert not drawn[inside(face.box)].any()
    assert drawn.any()


def inside(box: Box) -> tuple[slice, slice]:
    """The points of a face in a frame of 640x480, with its hair."""
    margin = box.side // 4
    return slice((box.top - margin) // 8, (box.top + box.side + margin) // 8), slice(
        (box.left - margin) // 8, (box.left + box.side + margin) // 8
    )


@pytest.mark.parametrize("portrait_height", [150, 200, 300, 400, 480])
def test_no_detector_finds_a_face_in_a_sketch_even_of_one_that_was_missed(portrait_height: int) -> None:
    frame = scene(portrait_height)
    (face,) = DETECTORS[0].detect(frame)
    drawn = points(draw_sketch(frame, [])) * np.uint8(255)
    assert drawn.any()
    for shown in (drawn, 255 - drawn):
        for interpolation in (cv2.INTER_NEAREST, cv2.INTER_CUBIC):
            large = cv2.resize(shown, (640, 480), interpolation=interpolation).astype(np.uint8)
            found = [other for detector in DETECTORS for other in detector.detect(large)]
            assert all(other.box.iou(face.box) == 0 for other in found)  # the cascade invents one elsewhere


def test_any_width_of_a_frame_fits() -> None:
    sketch = draw_sketch(scene(300)[:, :635], [Box(600, 400, 100)])
    assert points(sketch).shape == (sketch.height, sketch.width) == (60, 80)
    assert len(sketch.bits) == 600

import inspect

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.vision.settings import HaarSettings
from mien.face_detection.box import Box
from mien.face_detection.haar import HaarDetector


@pytest.fixture(scope="module")
def scene() -> NDArray[np.uint8]:
    """A frame with the portrait left of its center."""
    portrait = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    assert portrait is not None
    frame = np.full((480, 640), 96, np.uint8)
    frame[100:360, 50:290] = portrait
    return frame


def test_the_margin_widens_the_crop_on_each_side(scene: NDArray[np.uint8]) -> None:
    (tight,) = HaarDetector(margin=0.0).detect(scene)
    (wide,) = HaarDetector(margin=0.25).detect(scene)
    assert wide.side == pytest.approx(tight.side * 1.5, abs=1)
    assert wide.left == pytest.approx(tight.left - tight.side / 4, abs=1)


def test_a_crop_stays_square_and_inside_the_frame(scene: NDArray[np.uint8]) -> None:
    corner = scene[130:300, 120:300]
    for box in HaarDetector(margin=1.0).detect(corner):
        assert box.crop(corner).shape == (box.side, box.side)


def test_boxes_are_fractions_of_the_frame() -> None:
    assert Box(left=64, top=48, side=96).to_fractions(np.zeros((480, 640), np.uint8)) == (0.1, 0.1, 0.15, 0.2)


@pytest.mark.parametrize(
    ("other", "iou"), [(Box(0, 0, 10), 1.0), (Box(5, 0, 10), 1 / 3), (Box(10, 0, 10), 0.0), (Box(50, 50, 1), 0.0)]
)
def test_iou_is_the_intersection_over_the_union(other: Box, iou: float) -> None:
    assert Box(0, 0, 10).iou(other) == pytest.approx(iou)


def test_the_agent_s_defaults_are_those_of_the_detector() -> None:
    settings = msgspec.structs.asdict(HaarSettings())
    for name, setting in inspect.signature(HaarDetector).parameters.items():
        assert settings[name] == setting.default

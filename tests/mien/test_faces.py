import inspect
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import mien.broker
from mien.edge.settings import Faces
from mien.faces import Box, HaarDetector

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"


@pytest.fixture(scope="module")
def scene() -> NDArray[np.uint8]:
    """The portrait at twice its size, left of the middle of a frame."""
    portrait = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    assert portrait is not None
    frame = np.full((480, 640), 96, np.uint8)
    frame[100:360, 50:290] = portrait
    return frame


def test_the_margin_widens_the_crop_on_each_side(scene: NDArray[np.uint8]) -> None:
    (tight,) = HaarDetector(margin=0.0).find(scene)
    (wide,) = HaarDetector(margin=0.25).find(scene)
    assert wide.side == pytest.approx(tight.side * 1.5, abs=1)
    assert wide.left == pytest.approx(tight.left - tight.side / 4, abs=1)


def test_a_crop_stays_square_and_inside_the_frame(scene: NDArray[np.uint8]) -> None:
    corner = scene[130:300, 120:300]
    for box in HaarDetector(margin=1.0).find(corner):
        assert box.crop(corner).shape == (box.side, box.side)


def test_boxes_are_fractions_of_the_frame() -> None:
    assert Box(left=64, top=48, side=96).fractions(np.zeros((480, 640), np.uint8)) == (0.1, 0.1, 0.15, 0.2)


@pytest.mark.parametrize(
    ("other", "overlap"), [(Box(0, 0, 10), 1.0), (Box(5, 0, 10), 1 / 3), (Box(10, 0, 10), 0.0), (Box(50, 50, 1), 0.0)]
)
def test_overlap_is_intersection_over_union(other: Box, overlap: float) -> None:
    assert Box(0, 0, 10).overlap(other) == pytest.approx(overlap)


def test_the_agent_s_settings_begin_as_the_detector_does() -> None:
    settings = msgspec.structs.asdict(Faces())
    for name, setting in inspect.signature(HaarDetector).parameters.items():
        assert settings[name] == setting.default

import numpy as np
import pytest

from mien.face_detection.box import Box, fit_square


def test_boxes_are_fractions_of_the_frame() -> None:
    box = Box(left=64, top=48, side=96)
    assert box.to_fractions(np.zeros((480, 640), np.uint8)) == (0.1, 0.1, 0.15, 0.2)
    assert box.to_fractions(np.zeros((480, 640, 3), np.uint8)) == (0.1, 0.1, 0.15, 0.2)


@pytest.mark.parametrize(
    ("other", "iou"), [(Box(0, 0, 10), 1.0), (Box(5, 0, 10), 1 / 3), (Box(10, 0, 10), 0.0), (Box(50, 50, 1), 0.0)]
)
def test_iou_is_the_intersection_over_the_union(other: Box, iou: float) -> None:
    assert Box(0, 0, 10).iou(other) == pytest.approx(iou)


@pytest.mark.parametrize(
    ("rectangle", "expected"),
    [
        ((10, 10, 20, 30), Box(8, 13, 24)),
        ((-10, -10, 20, 20), Box(0, 0, 24)),
        ((90, 40, 20, 20), Box(76, 26, 24)),
        ((0, 0, 500, 500), Box(50, 0, 50)),
        ((5, 5, 0, 0), Box(4, 4, 1)),
    ],
)
def test_a_square_is_fitted_around_a_rectangle(rectangle: tuple[float, ...], expected: Box) -> None:
    left, top, width, height = rectangle
    assert fit_square(np.zeros((50, 100), np.uint8), left, top, width, height, margin=0.1) == expected

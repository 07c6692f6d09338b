"""How much closer a camera must be."""

import math

import pytest

from mien.edge.aim.distance import how_much_closer


@pytest.mark.parametrize(
    ("side_px", "words"),
    [
        (39, "a tenth of the distance closer"),
        (36, "a tenth of the distance closer"),
        (34, "a fifth of the distance closer"),
        (30, "a quarter of the distance closer"),
        (20, "half of the distance closer"),
        (12, "three quarters of the distance closer"),
        (4, "nine tenths of the distance closer"),
    ],
)
def test_without_the_field_of_view_it_is_a_fraction_of_the_distance_rounded_up(side_px: float, words: str) -> None:
    assert how_much_closer(side_px, 40, width_px=640, view_degrees=None) == words


@pytest.mark.parametrize(
    ("distance_m", "words"), [(2.5, "half a metre closer"), (3.0, "a metre closer"), (2.31, "0.4 metres closer")]
)
def test_with_the_field_of_view_it_is_in_metres(distance_m: float, words: str) -> None:
    """A pinhole camera of 66 degrees, 640 pixels wide: a face of 16 cm has 40 pixels at 1.97 m."""
    pixels_per_tangent = 320 / math.tan(math.radians(33))
    side_px = pixels_per_tangent * 0.16 / distance_m
    good_px = pixels_per_tangent * 0.16 / 2.0
    assert how_much_closer(side_px, good_px, width_px=640, view_degrees=66) == words

"""Where a face is expected, how far from there it may be, and which of two faces is the likelier one."""

import pytest

from mien.edge.vision.matching import match
from mien.edge.vision.trajectory import Trajectory
from mien.face_detection.box import Box


def walk(step_px: int, *, frames: int = 5, side: int = 60) -> Trajectory:
    """Ten frames a second; the last one at time (frames - 1) / 10."""
    trajectory = Trajectory(Box(0, 100, side), 0.0)
    for number in range(1, frames):
        trajectory.add(Box(step_px * number, 100, side), number / 10)
    return trajectory


@pytest.mark.parametrize("step_px", [0, 10, -30, 60])
def test_a_face_is_expected_where_its_speed_leads(step_px: int) -> None:
    box = walk(step_px).expected_box(0.6)
    assert box.left == pytest.approx(6 * step_px, abs=6)
    assert (box.top, box.side) == (100, 60)


def test_its_place_is_the_less_certain_the_longer_it_is_unseen_and_the_fewer_frames_it_was_seen_in() -> None:
    new, known = walk(0, frames=1), walk(0)
    assert known.reach(0.5) < known.reach(0.9) < known.reach(1.4)
    assert new.reach(0.1) > 60 > known.reach(0.5)  # whoever is new may walk by more than a face from frame to frame


def test_a_face_of_another_size_or_too_far_away_is_another_face() -> None:
    known = walk(0)
    assert known.mismatch(Box(0, 100, 60), 0.5) is not None
    assert known.mismatch(Box(-5, 95, 70), 0.5) is not None
    assert known.mismatch(Box(-15, 85, 90), 0.5) is None
    assert known.mismatch(Box(15, 115, 30), 0.5) is None
    assert known.mismatch(Box(60, 100, 60), 0.5) is None


def test_the_likeliest_pairs_are_decided_first() -> None:
    right, left = walk(30), Trajectory(Box(300, 100, 60), 0.0)
    for number in range(1, 5):
        left.add(Box(300 - 30 * number, 100, 60), number / 10)
    boxes = [Box(148, 100, 60), Box(152, 100, 60)]  # both expect to be near 150
    assert match([right, left], boxes, 0.5) in ({0: 0, 1: 1}, {0: 1, 1: 0})
    assert match([right, left], [Box(180, 100, 60), Box(120, 100, 60)], 0.6) == {0: 0, 1: 1}
    assert match([right, left], [Box(500, 100, 60)], 0.5) == {}
    assert match([], [Box(0, 0, 10)], 0.0) == {}

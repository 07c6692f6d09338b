"""Decides which of the detected faces is which of the known ones."""

from collections.abc import Sequence

from mien.face_detection.box import Box

from .trajectory import Trajectory


def match(trajectories: Sequence[Trajectory], boxes: Sequence[Box], now_s: float) -> dict[int, int]:
    """The trajectory's index for the index of each box that continues one; the likeliest pairs are decided first."""
    mismatches = [
        (mismatch, box_index, trajectory_index)
        for box_index, box in enumerate(boxes)
        for trajectory_index, trajectory in enumerate(trajectories)
        if (mismatch := trajectory.mismatch(box, now_s)) is not None
    ]
    matches: dict[int, int] = {}
    for _, box_index, trajectory_index in sorted(mismatches):
        if box_index not in matches and trajectory_index not in matches.values():
            matches[box_index] = trajectory_index
    return matches

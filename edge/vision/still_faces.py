"""Recognizes faces that are not alive: a poster, a statue or a still screen never changes by more than noise."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.face_detection.box import Box

from .scene_changes import Appearance, SceneChanges

MAX_GAP_S = 10.0
"""After this long without a frame everything starts anew: daylight has moved on, which is no motion of a face."""
SAME_SPOT_IOU = 0.5
"""Of two boxes of a face that stays where it is: detectors vary by a few percent."""
MIN_DISTANCE = 0.5
"""How far a face has to go to have moved, in sides of its box: a detector may vary between two sizes."""
INNER_SHARE = 0.8
"""The part of a box that is compared: what passes behind a face does not count."""
ARRIVED_S = 10.0
"""A face that arrives, or a poster that someone stops covering, is taken for a person this long; a person has moved
again by then."""
SETTLING_FRAMES = 6
"""Until the smoothed image no longer shows what was there before a face arrived."""
COMPARISON_INTERVAL_S = 0.5
"""Between two comparisons of a face that is known to be alive; all others are compared in each frame."""
UNCOVERED_S = 5.0
"""A face that looks as it did when first seen, for this long, is a poster that someone has partly covered."""
FORGET_ARRIVAL_S, FORGET_S = 2.0, 60.0
"""How long a place where no face is detected any more is remembered."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Spot:
    """A place in the image where a face has been detected."""

    box: Box
    seen_s: float
    alive_until_s: float
    """How long the last motion counts."""
    has_arrived: bool
    """Whether the camera saw how the face came here."""
    frames: int = 0
    compared_s: float = float("-inf")
    look: Appearance | None = None
    """At its last change."""
    first_look: Appearance | None = None
    as_at_first_since_s: float | None = None


class StillFaces:
    """Tells for each track of a live camera whether its face has moved; one object for all captures.

    A face counts as still from its first frame to its first motion: when its box moves, when its pixels change by more
    than the sensor's noise, the mount's vibration and the lighting explain, or when it arrives in front of the camera.
    It counts as still again when nothing of it has changed for `still_face_s`.
    """

    def __init__(self, still_face_s: float) -> None:
        """`still_face_s`: 0 takes no face for still."""
        self._still_face_s = still_face_s
        self._scene = SceneChanges()
        self._spots: list[_Spot] = []
        self._spot_of_track: dict[int, _Spot] = {}
        self._first_box_of_track: dict[int, Box] = {}
        self._now_s = float("-inf")

    def start_capture(self) -> None:
        """The tracks' numbers begin anew."""
        self._spot_of_track.clear()
        self._first_box_of_track.clear()

    def update(self, gray: NDArray[np.uint8], faces: Iterable[tuple[int, Box]], now_s: float) -> None:
        """Add the next (height, width) frame, at monotonic time `now_s`, with track and box of each face in it."""
        if not self._still_face_s:
            return
        if now_s - self._now_s > MAX_GAP_S:
            self._scene.restart()
        self._now_s = now_s
        if self._scene.update(gray, now_s):
            self._spots.clear()
            self.start_capture()
        self._spots = [spot for spot in self._spots if now_s - spot.seen_s <= _memory_s(spot)]
        for track, box in faces:
            spot = max(self._spots, key=lambda spot: spot.box.iou(box), default=None)
            first_box = self._first_box_of_track.setdefault(track, box)
            if spot is None or spot.box.iou(box) < SAME_SPOT_IOU:
                spot = self._add_spot(box, has_moved=_distance(first_box, box) >= MIN_DISTANCE)
            self._spot_of_track[track] = spot
            spot.seen_s = now_s
            self._compare(spot)

    def is_still(self, track: int) -> bool:
        """Whether nothing of the track's face has moved so far, or for `still_face_s`; False for unknown tracks."""
        spot = self._spot_of_track.get(track)
        return spot is not None and self._now_s >= spot.alive_until_s

    def _add_spot(self, box: Box, *, has_moved: bool) -> _Spot:
        has_arrived = has_moved or self._scene.has_changed_lately(_inner(box))
        spot = _Spot(
            box=box,
            seen_s=self._now_s,
            alive_until_s=self._now_s + min(ARRIVED_S, self._still_face_s) if has_arrived else float("-inf"),
            has_arrived=has_arrived,
        )
        self._spots.append(spot)
        return spot

    def _compare(self, spot: _Spot) -> None:
        """Compare a spot with what it looked like, and remember what it looks like now if it has changed."""
        spot.frames += 1
        if spot.look is None:
            if not spot.has_arrived or spot.frames >= SETTLING_FRAMES:
                spot.look = spot.first_look = self._scene.look(_inner(spot.box))
            return
        if self._now_s < min(spot.alive_until_s, spot.compared_s + COMPARISON_INTERVAL_S):
            return
        spot.compared_s = self._now_s
        if self._scene.has_changed(spot.look):
            spot.look = self._scene.look(_inner(spot.box))
            spot.alive_until_s = self._now_s + self._still_face_s
        if spot.has_arrived or spot.first_look is None or self._now_s >= spot.alive_until_s:
            return
        if self._scene.has_changed(spot.first_look):
            spot.as_at_first_since_s = None
        elif spot.as_at_first_since_s is None:
            spot.as_at_first_since_s = self._now_s
        elif self._now_s - spot.as_at_first_since_s >= UNCOVERED_S:
            spot.alive_until_s = float("-inf")


def _memory_s(spot: _Spot) -> float:
    return FORGET_ARRIVAL_S if spot.has_arrived else FORGET_S


def _distance(one: Box, other: Box) -> float:
    """Between the centers, in sides of the smaller box."""
    return math.hypot(
        one.left - other.left + (one.side - other.side) / 2, one.top - other.top + (one.side - other.side) / 2
    ) / min(one.side, other.side)


def _inner(box: Box) -> Box:
    """The middle of a box."""
    side = max(1, round(box.side * INNER_SHARE))
    border = (box.side - side) // 2
    return Box(box.left + border, box.top + border, side)

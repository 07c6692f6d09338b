"""Finds the faces in a stream of frames: everywhere now and then, and around the known faces in between."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mien.edge.camera.frame import Frame
from mien.face_detection.box import Region
from mien.face_detection.detector import FaceDetector
from mien.face_detection.face import Face

from .matching import match
from .scene_motion import SceneMotion
from .trajectory import LOST_AFTER_S, Trajectory

MAX_FRAME_GAP_S = 1.0
"""After this long without a frame, nobody is where he was."""
MIN_REGION, MAX_REGION = 2.2, 4.0
"""Side of the region that is searched for a face, in sides of the face, by how well its place is known."""
BODY_WIDTH = 4.0
"""Width of the area in which motion is that of a known face's body or shoulders, in sides of the face."""
SAME_FACE_IOU = 0.3
"""Faces from different regions that overlap more than this are one face."""


class FaceFollower:
    """The faces in the frames of one camera or one video, in order.

    Searches the whole frame in every `detect_every`-th one, in one in which a known face is not where it was expected,
    and where something else moves: at once while no face is in view, otherwise in every second frame. All other frames
    are searched around the known faces only, at the camera's own resolution. Nothing is carried over from one frame to
    the next but places: each face is detected in each frame.
    """

    def __init__(self, detector: FaceDetector, *, detect_every: int) -> None:
        """`detect_every`: search the whole of at least every n-th frame; 1 searches the whole of each."""
        self._detector = detector
        self._detect_every = detect_every
        self._motion = SceneMotion()
        self._known: list[Trajectory] = []
        self._frames_since_search = 0
        self._last_frame_s = float("-inf")
        self._shape: tuple[int, ...] = ()

    def locate(self, frame: Frame, now_s: float) -> list[Face]:
        """The faces in the next frame, largest first; empty if there is none. `now_s` is its time in the stream."""
        image = frame.image
        if self._detect_every == 1:
            return self._detector.detect(image)
        last_s, self._last_frame_s = self._last_frame_s, now_s
        is_restart = not 0 < now_s - last_s < MAX_FRAME_GAP_S or image.shape != self._shape
        self._shape = image.shape
        if is_restart:
            self._motion.restart()
            self._known = []
        self._known = [known for known in self._known if now_s - known.last_seen_s <= LOST_AFTER_S]
        in_view = [known for known in self._known if known.last_seen_s == last_s]
        is_moving = self._motion.update(frame.gray, [_body_region(known, now_s, frame) for known in in_view])
        self._frames_since_search += 1
        is_due = self._frames_since_search >= self._detect_every or is_restart
        if is_due or (is_moving and self._frames_since_search >= (2 if in_view else 1)):
            faces = self._search_around_missing(image, now_s, self._search_whole(image, now_s, []))
        else:
            faces = self._search_around_missing(image, now_s, [])
            if any(known.last_seen_s < now_s for known in in_view):
                faces = self._search_whole(image, now_s, faces)
        return sorted(faces, key=lambda face: face.box.side, reverse=True)

    def _search_whole(self, image: NDArray[np.uint8], now_s: float, found: list[Face]) -> list[Face]:
        """What has been found in this frame, and the faces that are not among it: known ones, and from now on known."""
        self._frames_since_search = 0
        others = _without_doubles(self._detector.detect(image), found)
        matches = self._match_missing(others, now_s)
        self._known += [Trajectory(face.box, now_s) for index, face in enumerate(others) if index not in matches]
        return [*found, *others]

    def _search_around_missing(self, image: NDArray[np.uint8], now_s: float, found: list[Face]) -> list[Face]:
        """What has been found in this frame, and the other known faces that are where they are expected."""
        regions = [_search_region(known, now_s, image) for known in self._known if known.last_seen_s < now_s]
        detected = [
            face for region in regions if region is not None for face in self._detector.detect(image, region=region)
        ]
        others = _without_doubles(detected, found)
        return [*found, *(others[index] for index in self._match_missing(others, now_s))]

    def _match_missing(self, faces: list[Face], now_s: float) -> Iterable[int]:
        """Move the known faces that have not been found in this frame yet; returns which of the faces they are."""
        missing = [known for known in self._known if known.last_seen_s < now_s]
        matches = match(missing, [face.box for face in faces], now_s)
        for face_index, known_index in matches.items():
            missing[known_index].add(faces[face_index].box, now_s)
        return matches.keys()


def _without_doubles(faces: list[Face], found: list[Face]) -> list[Face]:
    """The faces, best score first, without those that overlap one that has been found or a better one."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        if all(face.box.iou(other.box) <= SAME_FACE_IOU for other in (*found, *kept)):
            kept.append(face)
    return kept


def _search_region(known: Trajectory, now_s: float, image: NDArray[np.uint8]) -> Region | None:
    """A square inside the frame around where a face is expected; None if that is outside the frame."""
    height, width = image.shape[:2]
    box = known.expected_box(now_s)
    center_x, center_y = box.left + box.side / 2, box.top + box.side / 2
    if not (0 <= center_x < width and 0 <= center_y < height):
        return None
    wanted = min(max(MIN_REGION * box.side, box.side + 2 * known.reach(now_s)), MAX_REGION * box.side)
    side = min(round(wanted), width, height)
    left, top = round(center_x - side / 2), round(center_y - side / 2)
    return Region(min(max(0, left), width - side), min(max(0, top), height - side), side, side)


def _body_region(known: Trajectory, now_s: float, frame: Frame) -> Region:
    """Where a face and its body are expected: from above the head to the lower edge of the frame."""
    box = known.expected_box(now_s)
    margin = (BODY_WIDTH - 1) / 2 * box.side
    top = box.top - box.side
    return Region(
        left=round(box.left - margin),
        top=top,
        width=round(BODY_WIDTH * box.side),
        height=max(0, frame.gray.shape[0] - top),
    )

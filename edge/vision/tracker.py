"""Tracks faces from frame to frame by overlap and summarizes the scores of each track."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.edge.settings import ReportingSettings
from mien.face_detection.box import Box

MIN_IOU = 0.3
"""Between a face's boxes in two frames; that of a person who walks past at 10 frames a second is above one half."""
LOST_AFTER_S = 1.0
"""A face unseen for this long is gone; if it returns it is a new track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceResult:
    """One face in one frame."""

    box: Box
    box_fractions: tuple[float, float, float, float]
    """Left, top, width and height of the box, as fractions of the frame."""
    scores: NDArray[np.float32] | None
    """(7,); None if the crop was too poor to classify: the track continues without it."""
    latency_ms: int
    """From the frame's arrival to the end of classification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSummary:
    """The scores of one tracked face over a reporting interval."""

    track: int
    scores: list[float]
    """Seven, each the mean over the frames."""
    frames: int
    """The number of classified frames."""
    last_face: FaceResult


@dataclass(slots=True, kw_only=True)
class _Track:
    number: int
    interval_start_s: float
    last_seen_s: float
    last_face: FaceResult
    scores: list[NDArray[np.float32]] = field(default_factory=list)


class Tracker:
    """The tracks of one capture."""

    def __init__(self, settings: ReportingSettings) -> None:
        self._settings = settings
        self._tracks: list[_Track] = []
        self._track_count = 0
        self._now_s = 0.0

    def update(self, faces: Iterable[FaceResult], now_s: float) -> list[TrackSummary]:
        """Add the faces of one frame; returns the summaries of intervals that are over and of faces that are gone.

        `now_s` is monotonic time. Each face joins the track that it overlaps most, or starts a new one.
        """
        self._now_s = now_s
        unmatched = list(self._tracks)
        for face in faces:
            track = max(unmatched, key=lambda track: track.last_face.box.iou(face.box), default=None)
            if track is None or track.last_face.box.iou(face.box) < MIN_IOU:
                self._track_count += 1
                track = _Track(number=self._track_count, interval_start_s=now_s, last_seen_s=now_s, last_face=face)
                self._tracks.append(track)
            else:
                unmatched.remove(track)
            track.last_face = face
            track.last_seen_s = now_s
            if face.scores is not None:
                track.scores.append(face.scores)
        gone = [track for track in self._tracks if now_s - track.last_seen_s >= LOST_AFTER_S]
        self._tracks = [track for track in self._tracks if track not in gone]
        due = [track for track in self._tracks if now_s - track.interval_start_s >= self._settings.interval_s]
        return list(self._summarize([*gone, *due], now_s))

    def visible_faces(self) -> list[tuple[int, FaceResult]]:
        """Track number and face of each track in the last frame."""
        return [(track.number, track.last_face) for track in self._tracks if track.last_seen_s == self._now_s]

    def finish(self) -> list[TrackSummary]:
        """The remaining summaries, when the capture ends."""
        tracks, self._tracks = self._tracks, []
        return list(self._summarize(tracks, 0.0))

    def _summarize(self, tracks: list[_Track], now_s: float) -> Iterator[TrackSummary]:
        interval_s = self._settings.interval_s
        for track in tracks:
            if len(track.scores) >= self._settings.min_frames:
                yield TrackSummary(
                    track=track.number,
                    scores=np.mean(track.scores, axis=0).tolist(),
                    frames=len(track.scores),
                    last_face=track.last_face,
                )
            track.scores = []
            track.interval_start_s = max(track.interval_start_s + interval_s, now_s - interval_s)

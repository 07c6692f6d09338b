"""Tracks faces from frame to frame and summarizes the scores of each track."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.edge.settings import ReportingSettings
from mien.face_detection.box import Box
from mien.face_detection.face import Face

from .matching import match
from .trajectory import LOST_AFTER_S, Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceResult:
    """One face in one frame."""

    face: Face
    box_fractions: tuple[float, float, float, float]
    """Left, top, width and height of the box, as fractions of the frame."""
    scores: NDArray[np.float32] | None
    """(7,); None if the crop was too poor to classify: the track continues without it."""
    skipped: str | None = None
    """The reason if it was not classified."""
    latency_ms: int
    """From the frame's arrival to the end of classification."""

    @property
    def box(self) -> Box:
        """The square that was cropped, in pixels of the frame."""
        return self.face.box


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
    trajectory: Trajectory
    interval_start_s: float
    last_face: FaceResult
    detections: int = 0
    scores: list[NDArray[np.float32]] = field(default_factory=list)


class Tracker:
    """The tracks of one capture."""

    def __init__(self, settings: ReportingSettings, *, on_flicker: Callable[[], None] = lambda: None) -> None:
        """`on_flicker` is called for each track that ends with fewer detections than a row needs."""
        self._settings = settings
        self._on_flicker = on_flicker
        self._tracks: list[_Track] = []
        self._track_count = 0
        self._now_s = float("-inf")

    def update(self, faces: Iterable[FaceResult], now_s: float) -> list[TrackSummary]:
        """Add the faces of one frame; returns the summaries of intervals that are over and of faces that are gone.

        `now_s` is monotonic time. Each face continues the track that is expected where it is, or starts a new one.
        """
        # Without a frame in between nobody was seen to leave: at less than a frame a second tracks continue too.
        gone = [
            track
            for track in self._tracks
            if track.trajectory.last_seen_s < self._now_s and now_s - track.trajectory.last_seen_s > LOST_AFTER_S
        ]
        self._tracks = [track for track in self._tracks if track not in gone]
        self._now_s = now_s
        results = list(faces)
        matches = match([track.trajectory for track in self._tracks], [face.box for face in results], now_s)
        known = list(self._tracks)
        for index, face in enumerate(results):
            if index in matches:
                track = known[matches[index]]
                track.trajectory.add(face.box, now_s)
                track.last_face = face
            else:
                track = self._start_track(face, now_s)
            track.detections += 1
            if face.scores is not None:
                track.scores.append(face.scores)
        due = [track for track in self._tracks if now_s - track.interval_start_s >= self._settings.interval_s]
        self._count_flickers(gone)
        return list(self._summarize([*gone, *due], now_s))

    def close_intervals(self, now_s: float) -> list[TrackSummary]:
        """The summaries of all running intervals, for a pause in the frames that is longer than they and ends now.

        The tracks continue: their next intervals are over at `now_s` and later.
        """
        return list(self._summarize(self._tracks, now_s))

    def visible_faces(self) -> list[tuple[int, FaceResult]]:
        """Track number and face of each track in the last frame."""
        return [
            (track.number, track.last_face) for track in self._tracks if track.trajectory.last_seen_s == self._now_s
        ]

    def finish(self) -> list[TrackSummary]:
        """The remaining summaries, when the capture ends."""
        tracks, self._tracks = self._tracks, []
        self._count_flickers(tracks)
        return list(self._summarize(tracks, 0.0))

    def _start_track(self, face: FaceResult, now_s: float) -> _Track:
        self._track_count += 1
        trajectory = Trajectory(face.box, now_s)
        track = _Track(number=self._track_count, trajectory=trajectory, interval_start_s=now_s, last_face=face)
        self._tracks.append(track)
        return track

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

    def _count_flickers(self, ended: list[_Track]) -> None:
        for track in ended:
            if track.detections < self._settings.min_frames:
                self._on_flicker()

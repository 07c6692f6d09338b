"""Follows faces from frame to frame by overlap and sums up what each showed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.faces import Box

from .settings import Reporting

LEAST_OVERLAP = 0.3
"""Of a face's box with its box in an earlier frame; a walking face at 10 frames a second keeps more than half."""
LOST_AFTER_S = 1.0
"""A face unseen for so long has gone; if it comes back it is a new track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One face in one frame."""

    box: Box
    fractions: tuple[float, float, float, float]
    """The box as fractions of the frame."""
    scores: NDArray[np.float32] | None
    """(7,); None if the crop was not good enough to ask: the track goes on without it."""
    latency_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one tracked face showed over a reporting interval."""

    track: int
    scores: list[float]
    """Seven, each the mean over the frames."""
    frames: int
    last: Face


@dataclass(slots=True, kw_only=True)
class _Track:
    number: int
    begun_s: float
    seen_s: float
    last: Face
    scores: list[NDArray[np.float32]] = field(default_factory=list)


class Tracks:
    """The faces of one capture."""

    def __init__(self, settings: Reporting) -> None:
        self._settings = settings
        self._tracks: list[_Track] = []
        self._count = 0
        self._now_s = 0.0

    def see(self, faces: Iterable[Face], now_s: float) -> list[Sighting]:
        """Take in the faces of one frame; the sightings whose interval is over, and those of faces now gone.

        `now_s` is monotonic time. Each face joins the track that it overlaps most, or begins one.
        """
        self._now_s = now_s
        free = list(self._tracks)
        for face in faces:
            track = max(free, key=lambda track: track.last.box.overlap(face.box), default=None)
            if track is None or track.last.box.overlap(face.box) < LEAST_OVERLAP:
                self._count += 1
                track = _Track(number=self._count, begun_s=now_s, seen_s=now_s, last=face)
                self._tracks.append(track)
            else:
                free.remove(track)
            track.last = face
            track.seen_s = now_s
            if face.scores is not None:
                track.scores.append(face.scores)
        gone = [track for track in self._tracks if now_s - track.seen_s >= LOST_AFTER_S]
        self._tracks = [track for track in self._tracks if track not in gone]
        due = [track for track in self._tracks if now_s - track.begun_s >= self._settings.interval_s]
        return list(self._sightings([*gone, *due], now_s))

    def in_view(self) -> list[tuple[int, Face]]:
        """Number and face of each track in the last frame."""
        return [(track.number, track.last) for track in self._tracks if track.seen_s == self._now_s]

    def finish(self) -> list[Sighting]:
        """What is left when the capture ends."""
        tracks, self._tracks = self._tracks, []
        return list(self._sightings(tracks, 0.0))

    def _sightings(self, tracks: list[_Track], now_s: float) -> Iterator[Sighting]:
        for track in tracks:
            if len(track.scores) >= self._settings.fewest_frames:
                mean = np.mean(track.scores, axis=0)
                yield Sighting(track=track.number, scores=mean.tolist(), frames=len(track.scores), last=track.last)
            track.scores = []
            track.begun_s = max(track.begun_s + self._settings.interval_s, now_s - self._settings.interval_s)

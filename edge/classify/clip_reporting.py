"""Decides which tracks of a video become predictions, and at which time: a file has other rules than a camera."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from mien.edge.settings import ReportingSettings
from mien.edge.vision.tracker import TrackSummary

from .prediction import Prediction


class ClipReporting:
    """The rules for one video.

    A face that is seen only briefly is left out, as most false faces are: it needs the share of an interval's frames
    that `min_frames` is of a camera's. Of a clip or its rest that is shorter than an interval, the share of what there
    is: a clip of three frames gives its faces.
    """

    def __init__(self, settings: ReportingSettings, camera_frames_per_second: float) -> None:
        self._interval_s = settings.interval_s
        self._min_share = min(1.0, settings.min_frames / (camera_frames_per_second * settings.interval_s))
        self._frame_times_s: deque[float] = deque()
        """Of the last interval's frames."""
        self._last_seen_s: dict[int, float] = {}
        """The time of the last frame with each track."""
        self._reported_tracks: set[int] = set()
        self.brief = 0
        """Faces, each counted in every frame, that were left out."""

    def record_frame(self, at_s: float, visible_tracks: Sequence[int]) -> None:
        """Record a frame's time, and which tracks are in it."""
        self._frame_times_s.append(at_s)
        while self._frame_times_s[0] <= at_s - self._interval_s:
            self._frame_times_s.popleft()
        self._last_seen_s.update(dict.fromkeys(visible_tracks, at_s))

    def predictions(self, summaries: Iterable[TrackSummary], file_name: str) -> Iterator[Prediction]:
        """The predictions for summaries of the frames recorded so far, at the time of the last frame with the face."""
        min_frames = max(1, round(self._min_share * len(self._frame_times_s)))
        for summary in summaries:
            if summary.track in self._reported_tracks or summary.frames >= min_frames:
                self._reported_tracks.add(summary.track)
                at_s = self._last_seen_s[summary.track]
                yield Prediction.from_summary(summary, file=file_name, at_s=at_s)
            else:
                self.brief += summary.frames

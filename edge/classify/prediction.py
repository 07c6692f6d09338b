"""The prediction for one face in a file: the observation of `mien classify`, which is never sent or stored."""

from dataclasses import dataclass
from typing import Any, Self

from mien.edge.vision.tracker import TrackSummary
from mien.emotions import EMOTIONS
from mien.messages.observation import Scores

COLUMNS = (
    *("file", "at_s", "track", "emotion", "confidence"),
    *EMOTIONS,
    *("frames", "box_left", "box_top", "box_width", "box_height"),
)
"""Named as in the log's view `emotion_log`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One face in an image, or one tracked face over a reporting interval of a video."""

    file: str
    """Its path from the folder that was named, with each byte that is not UTF-8 as in `\\xff`."""
    at_s: float | None
    """The time of the interval's last frame that shows the face, from the start of the video; None for an image."""
    track: int
    """Number of the face in its file. It does not identify a person."""
    scores: Scores
    frames: int
    """How many frames the scores are averaged over."""
    box: tuple[float, float, float, float]
    """Left, top, width and height of the face in the last frame, as fractions of the frame."""

    @classmethod
    def from_summary(cls, summary: TrackSummary, *, file: str, at_s: float | None) -> Self:
        """A prediction from a track summary."""
        return cls(
            file=file,
            at_s=None if at_s is None else round(at_s, 3),
            track=summary.track,
            scores=Scores.of(summary.scores),
            frames=summary.frames,
            box=summary.last_face.box_fractions,
        )

    def to_row(self) -> dict[str, Any]:
        """Values by the names in COLUMNS."""
        emotion, confidence = self.scores.highest()
        scores = [getattr(self.scores, name) for name in EMOTIONS]
        values = [self.file, self.at_s, self.track, emotion, confidence, *scores, self.frames, *self.box]
        return dict(zip(COLUMNS, values, strict=True))

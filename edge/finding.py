"""What one face showed in a file: the observation of `mien classify`, which no broker and no log ever sees."""

from dataclasses import dataclass
from typing import Any, Self

from mien.emotions import EMOTIONS
from mien.observation import Scores

from .tracks import Sighting

SIDES = ("left", "top", "width", "height")
COLUMNS = ("file", "at_s", "track", "emotion", "confidence", *EMOTIONS, "frames", *(f"box_{side}" for side in SIDES))
"""Named as in the log's view `emotion_log`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One face in a picture, or one tracked face over a reporting interval of a video."""

    file: str
    at_s: float | None
    """The end of the interval, from the video's start; None in a picture."""
    track: int
    """Number of the face in its file. It says nothing about who it is."""
    scores: Scores
    frames: int
    """How many frames the scores average."""
    box: tuple[float, float, float, float]
    """Left, top, width and height of the face in the last of them, as fractions of the frame."""

    @classmethod
    def of(cls, sighting: Sighting, *, file: str, at_s: float | None) -> Self:
        """A sighting, with the place where it was seen."""
        return cls(
            file=file,
            at_s=None if at_s is None else round(at_s, 3),
            track=sighting.track,
            scores=Scores.of(sighting.scores),
            frames=sighting.frames,
            box=sighting.last.fractions,
        )

    def row(self) -> dict[str, Any]:
        """By the names in COLUMNS."""
        emotion, confidence = self.scores.highest()
        scores = [getattr(self.scores, name) for name in EMOTIONS]
        values = [self.file, self.at_s, self.track, emotion, confidence, *scores, self.frames, *self.box]
        return dict(zip(COLUMNS, values, strict=True))

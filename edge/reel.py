"""Looks through files: what each face in a picture shows, and each in a video over its reporting intervals."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from .annotation import AnnotatedVideo, annotated, write_picture
from .finding import Finding
from .footage import is_picture
from .frame import Frame, gray, read_picture
from .settings import AgentSettings
from .tracks import Face, Sighting, Tracks
from .video import Video
from .vision import Vision

FRESH = 0.2
"""Weight of a frame in the scores that an annotated video shows: about its last five, or the words would flicker."""


class Reel:
    """Goes through one file after another. Only one frame is in memory at a time."""

    def __init__(
        self,
        vision: Vision,
        settings: AgentSettings,
        *,
        rate: float,
        folder: Path | None,
        seen: Callable[[int], None],
    ) -> None:
        """`rate` frames a second of a video at most; annotated copies go to `folder`; `seen` hears of frames passed."""
        self._vision = vision
        self._reporting = settings.reporting
        self._share = settings.reporting.fewest_frames / settings.camera.frames_per_second
        self._rate = rate
        self._folder = folder
        self._seen = seen

    def findings(self, file: Path) -> Iterator[Finding]:
        """What the faces in a picture or a video show. CameraError if it is neither."""
        return self._picture(file) if is_picture(file) else self._video(file)

    def _picture(self, file: Path) -> Iterator[Finding]:
        picture = read_picture(file, colour=True)
        faces = self._vision.see(Frame(gray(picture), time.monotonic()), alone=True)
        numbered = list(enumerate(faces, start=1))
        if self._folder:
            write_picture(self._folder / file.name, annotated(picture, numbered))
        for track, face in numbered:
            if face.scores is not None:
                sighting = Sighting(track=track, scores=face.scores.tolist(), frames=1, last=face)
                yield Finding.of(sighting, file=file.name, at_s=None)
        self._seen(1)

    def _video(self, file: Path) -> Iterator[Finding]:
        with Video(file) as video, ExitStack() as files:
            rate = min(self._rate, video.rate)
            tracks = Tracks(msgspec.structs.replace(self._reporting, fewest_frames=max(1, round(rate * self._share))))
            copy = None
            if self._folder:
                copy = files.enter_context(AnnotatedVideo(self._folder / f"{file.stem}.mp4", rate=rate))
            smoothed: dict[int, NDArray[np.float32]] = {}
            passed, at_s = 0, 0.0
            for number, picture in video.pictures(rate):
                at_s = number / video.rate
                for sighting in tracks.see(self._vision.see(Frame(gray(picture), time.monotonic())), at_s):
                    yield Finding.of(sighting, file=file.name, at_s=at_s)
                if copy:
                    copy.add(annotated(picture, [_steadied(smoothed, *one) for one in tracks.in_view()]))
                self._seen(number + 1 - passed)
                passed = number + 1
            for sighting in tracks.finish():
                yield Finding.of(sighting, file=file.name, at_s=at_s)


def _steadied(smoothed: dict[int, NDArray[np.float32]], track: int, face: Face) -> tuple[int, Face]:
    """A face with its track's smoothed scores in place of its own, which are taken into them."""
    if face.scores is not None:
        before = smoothed.get(track, face.scores)
        smoothed[track] = before + FRESH * (face.scores - before)
    return track, dataclasses.replace(face, scores=smoothed.get(track) if face.scores is not None else None)

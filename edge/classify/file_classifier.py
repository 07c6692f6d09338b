"""Classifies files: each face in an image, and each tracked face in a video over its reporting intervals."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.edge.camera.file_camera import is_image
from mien.edge.camera.frame import Frame, read_image, to_gray
from mien.edge.camera.video_file import VideoFile
from mien.edge.settings import AgentSettings
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.tracker import FaceResult, Tracker, TrackSummary

from .annotation import AnnotatedVideo, annotate, write_image
from .prediction import Prediction

SMOOTHING = 0.2
"""Weight of a frame in the scores that an annotated video shows, about its last five; without it the labels would
flicker."""


class FileClassifier:
    """Processes one file after another. Only one frame is in memory at a time."""

    def __init__(
        self,
        vision: VisionPipeline,
        settings: AgentSettings,
        *,
        frames_per_second: float,
        annotated_folder: Path | None,
        advance: Callable[[int], None],
    ) -> None:
        """`frames_per_second` limits the frames of a video; `advance` is called with the number of frames passed."""
        self._vision = vision
        self._reporting = settings.reporting
        self._min_frames_s = settings.reporting.min_frames / settings.camera.frames_per_second
        """How long a face must be visible within an interval to be reported."""
        self._max_frames_per_second = frames_per_second
        self._annotated_folder = annotated_folder
        self._advance = advance

    def predictions(self, file: Path) -> Iterator[Prediction]:
        """One prediction per face in an image, or per track and interval of a video. CameraError if it is neither."""
        return self._classify_image(file) if is_image(file) else self._classify_video(file)

    def _classify_image(self, file: Path) -> Iterator[Prediction]:
        image = read_image(file, color=True)
        faces = self._vision.process_image(Frame(to_gray(image), time.monotonic()))
        numbered_faces = list(enumerate(faces, start=1))
        if self._annotated_folder:
            write_image(self._annotated_folder / file.name, annotate(image, numbered_faces))
        for number, face in numbered_faces:
            if face.scores is not None:
                summary = TrackSummary(track=number, scores=face.scores.tolist(), frames=1, last_face=face)
                yield Prediction.from_summary(summary, file=file.name, at_s=None)
        self._advance(1)

    def _classify_video(self, file: Path) -> Iterator[Prediction]:
        with VideoFile(file) as video, ExitStack() as resources:
            frames_per_second = min(self._max_frames_per_second, video.frames_per_second)
            min_frames = max(1, round(frames_per_second * self._min_frames_s))
            stream = self._vision.open_stream()
            tracker = Tracker(msgspec.structs.replace(self._reporting, min_frames=min_frames))
            copy = None
            if self._annotated_folder:
                path = self._annotated_folder / f"{file.stem}.mp4"
                copy = resources.enter_context(AnnotatedVideo(path, frames_per_second=frames_per_second))
            smoothed_scores: dict[int, NDArray[np.float32]] = {}
            passed_frames, at_s = 0, 0.0
            for number, image in video.images(frames_per_second):
                at_s = number / video.frames_per_second
                faces = stream.process(Frame(to_gray(image), time.monotonic()), at_s)
                for summary in tracker.update(faces, at_s):
                    yield Prediction.from_summary(summary, file=file.name, at_s=at_s)
                if copy:
                    smoothed_faces = [_smooth(smoothed_scores, track, face) for track, face in tracker.visible_faces()]
                    copy.append(annotate(image, smoothed_faces))
                self._advance(number + 1 - passed_frames)
                passed_frames = number + 1
            for summary in tracker.finish():
                yield Prediction.from_summary(summary, file=file.name, at_s=at_s)


def _smooth(smoothed_scores: dict[int, NDArray[np.float32]], track: int, face: FaceResult) -> tuple[int, FaceResult]:
    """The face with its track's exponentially smoothed scores, which are updated with the face's own."""
    if face.scores is not None:
        previous = smoothed_scores.get(track, face.scores)
        smoothed_scores[track] = previous + SMOOTHING * (face.scores - previous)
    scores = smoothed_scores.get(track) if face.scores is not None else None
    return track, dataclasses.replace(face, scores=scores)

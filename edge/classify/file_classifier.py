"""Classifies files: each face in an image, and each tracked face in a video over its reporting intervals."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.edge.camera.frame import Frame
from mien.edge.camera.image_file import read_image
from mien.edge.camera.media_file import MediaFile
from mien.edge.camera.video_file import VideoFile
from mien.edge.settings import AgentSettings
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.tracker import FaceResult, Tracker, TrackSummary
from mien.errors import CameraError
from mien.media.file_name import to_text

from .annotated_folder import AnnotatedFolder
from .annotated_video import AnnotatedVideo
from .annotation import annotate
from .clip_reporting import ClipReporting
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
        annotated_folder: AnnotatedFolder | None,
        advance: Callable[[int], None],
        threshold: float = 0.0,
    ) -> None:
        """`frames_per_second` limits the frames of a video; `advance` is called with the number of frames passed.
        Annotated copies say `uncertain` below the threshold."""
        self._vision = vision
        self._reporting = settings.reporting
        self._camera_frames_per_second = settings.camera.frames_per_second
        self._max_frames_per_second = frames_per_second
        self._annotated_folder = annotated_folder
        self._advance = advance
        self._threshold = threshold
        self.frames = 0
        """Frames that were read."""
        self.reported = 0
        """Faces, each counted in every frame, that the predictions are made of."""
        self.brief = 0
        """Faces, counted likewise, that were classified and then left out because they were seen too briefly."""

    def predictions(self, file: MediaFile, *, name: str | None = None) -> Iterator[Prediction]:
        """One prediction per face in an image, or per track and interval of a video, under the name of the file.

        CameraError if it cannot be read; for a video that is cut off, after the predictions for what is left of it.
        """
        name = to_text(file.path) if name is None else name
        for prediction in (
            self._classify_image(file, name) if file.kind == "image" else self._classify_video(file, name)
        ):
            self.reported += prediction.frames
            yield prediction

    def _classify_image(self, file: MediaFile, name: str) -> Iterator[Prediction]:
        image = read_image(file.path, color=True)
        self.frames += 1
        faces = self._vision.process_image(Frame.of(image, time.monotonic()))
        numbered_faces = list(enumerate(faces, start=1))
        if self._annotated_folder:
            self._annotated_folder.write_image(file, annotate(image, numbered_faces, threshold=self._threshold))
        for number, face in numbered_faces:
            if face.scores is not None:
                summary = TrackSummary(track=number, scores=face.scores.tolist(), frames=1, last_face=face)
                yield Prediction.from_summary(summary, file=name, at_s=None)
        self._advance(1)

    def _classify_video(self, file: MediaFile, name: str) -> Iterator[Prediction]:
        with VideoFile(file.path) as video, ExitStack() as resources:
            stream = self._vision.open_stream()
            tracker = Tracker(msgspec.structs.replace(self._reporting, min_frames=1))
            reporting = ClipReporting(self._reporting, self._camera_frames_per_second)
            copy = None
            if self._annotated_folder:
                rate = min(self._max_frames_per_second, video.frames_per_second)
                path = self._annotated_folder.path_for(file)
                copy = resources.enter_context(AnnotatedVideo(path, frames_per_second=rate))
            smoothed_scores: dict[int, NDArray[np.float32]] = {}
            frames_passed, previous_s = 0, 0.0
            for at_s, image in video.images(self._max_frames_per_second):
                self.frames += 1
                if at_s - previous_s >= self._reporting.interval_s:
                    yield from reporting.predictions(tracker.close_intervals(at_s), name)
                faces = stream.process(Frame.of(image, time.monotonic()), at_s)
                summaries = tracker.update(faces, at_s)
                visible_faces = tracker.visible_faces()
                reporting.record_frame(at_s, [track for track, _ in visible_faces])
                yield from reporting.predictions(summaries, name)
                if copy:
                    smoothed_faces = [_smooth(smoothed_scores, track, face) for track, face in visible_faces]
                    copy.append(annotate(image, smoothed_faces, threshold=self._threshold), at_s)
                self._advance(video.frames_passed - frames_passed)
                frames_passed, previous_s = video.frames_passed, at_s
            yield from reporting.predictions(tracker.finish(), name)
            self.brief += reporting.brief
            if video.flaw:
                name = to_text(file.path)
                raise CameraError(
                    f"{name} is incomplete, only its first {frames_passed} frames were read: copy it again"
                )


def _smooth(smoothed_scores: dict[int, NDArray[np.float32]], track: int, face: FaceResult) -> tuple[int, FaceResult]:
    """The face with its track's exponentially smoothed scores, which are updated with the face's own."""
    if face.scores is not None:
        previous = smoothed_scores.get(track, face.scores)
        smoothed_scores[track] = previous + SMOOTHING * (face.scores - previous)
    scores = smoothed_scores.get(track) if face.scores is not None else None
    return track, dataclasses.replace(face, scores=scores)

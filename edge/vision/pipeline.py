"""Detects the faces in a frame and classifies the expression of each whose crop is good enough."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

import numpy as np

from mien.edge.camera.frame import Frame
from mien.face_detection.crop import crop_face
from mien.face_detection.detector import FaceDetector
from mien.face_detection.face import Face
from mien.messages.health import SKIP_REASONS, SkipReason, VisionHealth
from mien.messages.text import to_short_text
from mien.model.classifier import Classifier
from mien.model.preprocessing import preprocess

from .face_follower import FaceFollower
from .gates import check_crop, check_face
from .settings import FaceSettings
from .tracker import FaceResult

MAX_TIMINGS = 1000
"""Frames and inferences whose durations are kept."""


class VisionPipeline:
    """Runs detector and classifier, and counts the results; what links one frame to the next is in a VisionStream."""

    def __init__(
        self, settings: FaceSettings, *, detector: FaceDetector, classifier: Classifier, model_error: str = ""
    ) -> None:
        """`model_error`: why the classifier is not the one that the settings name; empty if it is."""
        self._settings = settings
        self._detector = detector
        self._classifier = classifier
        self._model_error = model_error
        self._frames = self._faces = 0
        self._skipped: Counter[SkipReason] = Counter()
        self._frame_ms: deque[float] = deque(maxlen=MAX_TIMINGS)
        self._inference_ms: deque[float] = deque(maxlen=MAX_TIMINGS)

    @property
    def model_id(self) -> str:
        """Of the model in use."""
        return self._classifier.model_id

    def open_stream(self) -> "VisionStream":
        """A new stream, for the frames of one camera or one video."""
        return VisionStream(self, FaceFollower(self._detector, detect_every=self._settings.detect_every))

    def process_image(self, frame: Frame) -> list[FaceResult]:
        """The faces of a single image, largest first; each is classified both as it is and mirrored."""
        return self.process(frame, lambda frame: self._detector.detect(frame.image), column_steps=(1, -1))

    def process(
        self, frame: Frame, locate: Callable[[Frame], list[Face]], *, column_steps: Sequence[int]
    ) -> list[FaceResult]:
        """The faces that `locate` finds in the frame, each classified once for every column step (-1: mirrored)."""
        start_s = time.perf_counter()
        results = [self._classify(face, frame, column_steps) for face in locate(frame)]
        self._frame_ms.append((time.perf_counter() - start_s) * 1000)
        self._frames += 1
        return results

    def count_skipped(self, reason: SkipReason, count: int = 1) -> None:
        """Count faces that were found and not reported."""
        self._skipped[reason] += count

    def health(self) -> VisionHealth:
        """Counts since the start, and percentiles of the last durations."""
        frame_ms, inference_ms = _percentiles(self._frame_ms), _percentiles(self._inference_ms)
        return VisionHealth(
            model=self.model_id,
            model_error=to_short_text(self._model_error),
            frames=self._frames,
            faces=self._faces,
            too_small=self._skipped["small"],
            blurred=self._skipped["blurred"],
            skipped={reason: self._skipped[reason] for reason in SKIP_REASONS if self._skipped[reason]},
            frame_ms_p50=frame_ms[0],
            frame_ms_p95=frame_ms[1],
            inference_ms_p50=inference_ms[0],
            inference_ms_p95=inference_ms[1],
        )

    def _classify(self, face: Face, frame: Frame, column_steps: Sequence[int]) -> FaceResult:
        """The mean scores of the face read with each column step (-1: mirrored), or the reason why it is not read."""
        scores = None
        reason: SkipReason | None = check_face(face, self._settings)
        if reason is None:
            start_s = time.perf_counter()
            preprocessed = preprocess(crop_face(frame.gray, face))
            reason = check_crop(preprocessed, self._settings)
            if reason is None:
                predictions = [self._classifier.predict(preprocessed[:, ::step]) for step in column_steps]
                scores = (
                    predictions[0] if len(predictions) == 1 else np.asarray(np.mean(predictions, axis=0), np.float32)
                )
                self._inference_ms.append((time.perf_counter() - start_s) * 1000)
                self._faces += 1
        if reason is not None:
            self.count_skipped(reason)
        return FaceResult(
            face=face,
            box_fractions=face.box.to_fractions(frame.gray),
            scores=scores,
            skipped=reason,
            latency_ms=round((time.monotonic() - frame.arrived_s) * 1000),
        )


class VisionStream:
    """The frames of one camera or one video, in order."""

    def __init__(self, pipeline: VisionPipeline, follower: FaceFollower) -> None:
        self._pipeline = pipeline
        self._follower = follower
        self._frames = 0

    def process(self, frame: Frame, now_s: float) -> list[FaceResult]:
        """The faces of the next frame, largest first; `now_s` is its time in the stream.

        Every other frame is classified mirrored: averaged over a reporting interval, the network's left-right asymmetry
        cancels out. This is test-time augmentation at no extra inference cost.
        """
        column_step = -1 if self._frames % 2 else 1
        self._frames += 1
        return self._pipeline.process(
            frame, lambda frame: self._follower.locate(frame, now_s), column_steps=(column_step,)
        )


def _percentiles(durations_ms: deque[float]) -> Sequence[float | None]:
    """The median and the 95th percentile."""
    copy = list(durations_ms)  # the agent's thread keeps appending
    return [round(float(percentile), 2) for percentile in np.percentile(copy, (50, 95))] if copy else [None, None]

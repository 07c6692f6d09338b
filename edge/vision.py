"""Sees one frame: its faces, each with the scores of its crop, or without where the crop says too little."""

import time
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.classifier import Classifier
from mien.faces import FaceDetector
from mien.health import VisionHealth
from mien.preprocessing import prepare, sharpness

from .frame import Frame
from .settings import Faces
from .tracks import Face

KEPT = 1000
"""Frames and inferences whose times are kept."""


class Vision:
    """Detector and classifier on the same frames, and what came of them."""

    def __init__(
        self, settings: Faces, *, detector: FaceDetector, classifier: Classifier, model_error: str = ""
    ) -> None:
        """`model_error` says why the classifier is not the one that was asked for, if it is not."""
        self._settings = settings
        self._detector = detector
        self._classifier = classifier
        self._model_error = model_error
        self._frames = self._faces = self._too_small = self._blurred = 0
        self._frame_ms: deque[float] = deque(maxlen=KEPT)
        self._inference_ms: deque[float] = deque(maxlen=KEPT)

    @property
    def model_id(self) -> str:
        """Of the model that answers."""
        return self._classifier.model_id

    def see(self, frame: Frame, *, alone: bool = False) -> list[Face]:
        """The faces of a frame, largest first; `alone` says that it is one picture and not one of many.

        Every other frame is classified mirrored: averaged over an interval, what the network sees in left and right
        alone cancels out. That is test-time averaging which costs no inference more. A picture alone is classified as
        it is and mirrored.
        """
        begun_s = time.perf_counter()
        steps = [1, -1] if alone else [-1 if self._frames % 2 else 1]
        faces = []
        for box in self._detector.find(frame.gray):
            scores = self._scores(box.crop(frame.gray), steps)
            latency_ms = round((time.monotonic() - frame.arrived_s) * 1000)
            faces.append(Face(box=box, fractions=box.fractions(frame.gray), scores=scores, latency_ms=latency_ms))
        self._frame_ms.append((time.perf_counter() - begun_s) * 1000)
        self._frames += 1
        return faces

    def health(self) -> VisionHealth:
        """What became of the frames so far, and what the last thousand cost."""
        frame_ms, inference_ms = _percentiles(self._frame_ms), _percentiles(self._inference_ms)
        return VisionHealth(
            model=self.model_id,
            model_error=self._model_error[:500],
            frames=self._frames,
            faces=self._faces,
            too_small=self._too_small,
            blurred=self._blurred,
            frame_ms_p50=frame_ms[0],
            frame_ms_p95=frame_ms[1],
            inference_ms_p50=inference_ms[0],
            inference_ms_p95=inference_ms[1],
        )

    def _scores(self, crop: NDArray[np.uint8], steps: Sequence[int]) -> NDArray[np.float32] | None:
        """The mean over the prepared crop read in these steps; None for one too small or blurred to say anything of."""
        if len(crop) < self._settings.smallest_crop:
            self._too_small += 1
            return None
        begun_s = time.perf_counter()
        prepared = prepare(crop)
        if sharpness(prepared) < self._settings.least_sharpness:
            self._blurred += 1
            return None
        scores = [self._classifier.invoke(prepared[:, ::step]) for step in steps]
        self._inference_ms.append((time.perf_counter() - begun_s) * 1000)
        self._faces += 1
        mean: NDArray[np.float32] = np.mean(scores, axis=0, dtype=np.float32)
        return mean


def _percentiles(values: deque[float]) -> Sequence[float | None]:
    kept = list(values)  # the agent's thread goes on
    return [round(float(one), 2) for one in np.percentile(kept, (50, 95))] if kept else [None, None]

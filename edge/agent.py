"""Sleeps until something moves, then turns frames into observations until it is still again."""

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import UUID

from uuid6 import uuid7

from mien.classifier import Classifier
from mien.errors import CameraError, DatabaseError
from mien.faces import FaceDetector
from mien.observation import Observation, Scores
from mien.version import VERSION

from .clock import Clock, Moment
from .frame import Frame
from .motion import MotionSource
from .outbox import Outbox
from .settings import AgentSettings
from .tracks import Face, Sighting, Tracks

WAIT_S = 0.5
"""How long one wait for motion lasts before the agent looks whether it shall stop."""

log = logging.getLogger(__name__)


class Agent:
    """The loop from motion to outbox. What becomes of the observations then is the uplink's matter."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        motion: MotionSource,
        open_camera: Callable[[], AbstractContextManager[Iterator[Frame]]],
        detector: FaceDetector,
        classifier: Classifier,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._motion = motion
        self._open_camera = open_camera
        self._detector = detector
        self._classifier = classifier
        self._outbox = outbox
        self._clock = clock

    def run(self, stopping: threading.Event) -> None:
        """Capture whenever something moves, until `stopping` is set or a file in the camera's place ends."""
        while not stopping.is_set():
            if self._motion.wait(WAIT_S) and self._capture(stopping):
                return

    def _capture(self, stopping: threading.Event) -> bool:
        """Observe while something moves; True if the frames ended."""
        capture = uuid7()
        tracks = Tracks(self._settings.reporting)
        begun_s = moved_s = time.monotonic()
        log.info("motion: the camera starts")
        ended = True
        with self._open_camera() as frames:
            for number, frame in enumerate(_until(stopping, frames)):
                # Every other frame mirrored: averaged over an interval, what the network sees in left and right alone
                # cancels out. Test-time averaging that costs no inference more.
                self._keep(capture, tracks.see(self._faces(frame, mirrored=number % 2 == 1), frame.arrived_s))
                now_s = time.monotonic()
                moved_s = now_s if self._motion.moving else moved_s
                still = now_s - moved_s >= self._settings.motion.hold_s
                too_long = now_s - begun_s >= self._settings.motion.longest_capture_s
                if still or too_long or stopping.is_set():
                    ended = False
                    break
        self._keep(capture, tracks.finish())
        log.info("the camera stops")
        return ended

    def _faces(self, frame: Frame, *, mirrored: bool) -> Iterator[Face]:
        for box in self._detector.find(frame.gray):
            scores = self._classifier(box.crop(frame.gray), mirrored=mirrored)
            latency_ms = round((time.monotonic() - frame.arrived_s) * 1000)
            yield Face(box=box, fractions=box.fractions(frame.gray), scores=scores, latency_ms=latency_ms)

    def _keep(self, capture: UUID, sightings: list[Sighting]) -> None:
        for sighting in sightings:
            moment = self._clock.moment()
            try:
                self._outbox.append(functools.partial(self._observation, capture, sighting, moment), moment)
            except DatabaseError as error:
                log.error("an observation is lost: %s", error)  # a full disk, say; `health` counts it

    def _observation(self, capture: UUID, sighting: Sighting, moment: Moment, outbox: UUID, seq: int) -> Observation:
        scores = Scores.of(sighting.scores)
        emotion, confidence = scores.highest()
        return Observation(
            id=uuid7(),
            device=self._settings.device,
            outbox=outbox,
            seq=seq,
            capture=capture,
            track=sighting.track,
            at=moment.at,
            clock=moment.state,
            emotion=emotion,
            confidence=confidence,
            scores=scores,
            frames=sighting.frames,
            box=sighting.last.fractions,
            model=self._classifier.model_id,
            latency_ms=sighting.last.latency_ms,
            agent=VERSION,
        )


def _until(stopping: threading.Event, frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames; a camera that ends while the agent is told to stop, as systemd does to both, is no error."""
    try:
        yield from frames
    except CameraError:
        if not stopping.is_set():
            raise

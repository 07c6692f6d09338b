"""Sleeps until something moves, then turns frames into observations until it is still again."""

import functools
import logging
import threading
import time
from collections.abc import Callable
from uuid import UUID

from uuid6 import uuid7

from mien.errors import DatabaseError
from mien.motion import MotionState
from mien.observation import Observation, Scores
from mien.version import VERSION

from .clock import Clock, Moment
from .eye import Eye
from .motion import MotionSource
from .outbox import Outbox
from .rhythm import Rhythm
from .settings import AgentSettings
from .tracks import Sighting, Tracks
from .vision import Vision

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
        eye: Eye,
        vision: Vision,
        outbox: Outbox,
        clock: Clock,
        rhythm: Rhythm,
        tell_motion: Callable[[MotionState], None] = lambda state: None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`tell_motion` hears when something moves, or no more; `beat` is called while the loop goes round."""
        self._settings = settings
        self._motion = motion
        self._eye = eye
        self._vision = vision
        self._outbox = outbox
        self._clock = clock
        self._rhythm = rhythm
        self._tell_motion = tell_motion
        self._beat = beat

    def run(self, stopping: threading.Event) -> None:
        """Capture whenever something moves, until `stopping` is set or a file in the camera's place ends."""
        rests_until_s = 0.0
        self._tell(moving=False)
        while not stopping.is_set():
            self._beat()
            moving = self._motion.wait(WAIT_S)
            self._note(moving=moving)
            self._eye.watch()
            if not moving:
                continue
            if not self._eye.ready or time.monotonic() < rests_until_s:
                stopping.wait(WAIT_S)
                continue
            begun_s = time.monotonic()
            if self._capture(stopping):
                return
            now_s = time.monotonic()
            rests_until_s = now_s + self._rhythm.rest_s(now_s - begun_s, now_s)

    def _note(self, *, moving: bool) -> bool:
        """Take in what the sensor says, and tell it on if that is new."""
        if self._rhythm.note(moving=moving, now_s=time.monotonic()):
            self._tell(moving=moving)
        return moving

    def _tell(self, *, moving: bool) -> None:
        self._tell_motion(MotionState(state="on" if moving else "off", since=self._clock.moment().at))

    def _capture(self, stopping: threading.Event) -> bool:
        """Observe while something moves; True if the frames of a file have ended."""
        capture = uuid7()
        tracks = Tracks(self._settings.reporting)
        begun_s = moved_s = time.monotonic()
        log.info("motion: the camera starts")
        with self._eye.frames() as frames:
            for frame in frames:
                self._beat()
                if frame is not None:
                    self._keep(capture, tracks.see(self._vision.see(frame), frame.arrived_s))
                now_s = time.monotonic()
                moved_s = now_s if self._note(moving=self._motion.moving) else moved_s
                still = now_s - moved_s >= self._settings.motion.hold_s
                if still or stopping.is_set() or now_s - begun_s >= self._rhythm.longest_capture_s(now_s):
                    ended = False
                    break
            else:
                ended = not self._eye.live
        self._keep(capture, tracks.finish())
        log.info("the camera stops")
        return ended

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
            model=self._vision.model_id,
            latency_ms=sighting.last.latency_ms,
            agent=VERSION,
        )

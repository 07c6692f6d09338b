"""The agent's main loop: sleeps until there is motion, then turns frames into observations until motion ends."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from uuid6 import uuid7

from mien.edge.camera.camera_manager import CameraManager
from mien.edge.delivery.clock import Clock, Timestamp
from mien.edge.delivery.draft import ObservationDraft
from mien.edge.delivery.outbox import Outbox
from mien.edge.motion.sensor import MotionSensor
from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.vision.held_rows import HeldRows
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.still_faces import StillFaces
from mien.edge.vision.tracker import Tracker, TrackSummary
from mien.emotions import Emotion
from mien.errors import DatabaseError
from mien.messages.motion import MotionState
from mien.messages.observation import Scores
from mien.version import VERSION

from .settings import AgentSettings

MOTION_TIMEOUT_S = 0.5
"""How long to wait for motion before checking whether to stop."""

Row = tuple[ObservationDraft, Timestamp]
"""An observation and the time when it was made."""

log = logging.getLogger(__name__)


class Agent:
    """The loop from motion to outbox; the publisher delivers the observations from there."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        motion: MotionSensor,
        camera_manager: CameraManager,
        vision: VisionPipeline,
        outbox: Outbox,
        clock: Clock,
        sensor_monitor: MotionSensorMonitor,
        publish_motion: Callable[[MotionState], None] = lambda state: None,
        record_prediction: Callable[[Emotion, float], None] = lambda emotion, confidence: None,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        """`publish_motion` is called when motion starts or ends, `record_prediction` with the emotion and confidence of
        each observation that is in the outbox, `heartbeat` in each iteration of the loop."""
        self._settings = settings
        self._motion = motion
        self._camera_manager = camera_manager
        self._vision = vision
        self._outbox = outbox
        self._clock = clock
        self._sensor_monitor = sensor_monitor
        self._publish_motion = publish_motion
        self._record_prediction = record_prediction
        self._heartbeat = heartbeat
        # a file shows what its owner wants to know about, be it a poster
        self._still_faces = StillFaces(settings.reporting.still_face_s if camera_manager.is_live else 0.0)

    def run(self, stopping: threading.Event) -> None:
        """Capture whenever there is motion, until `stopping` is set or the file that replaces the camera ends."""
        resting_until_s = 0.0
        self._publish_motion_state(is_moving=False)
        while not stopping.is_set():
            self._heartbeat()
            is_moving = self._motion.wait(MOTION_TIMEOUT_S)
            self._record_motion(is_moving=is_moving)
            self._camera_manager.poll()
            if not is_moving:
                continue
            if not self._camera_manager.is_ready or time.monotonic() < resting_until_s:
                stopping.wait(MOTION_TIMEOUT_S)
                continue
            start_s = time.monotonic()
            if self._capture(stopping):
                return
            now_s = time.monotonic()
            resting_until_s = now_s + self._sensor_monitor.rest_s(now_s - start_s, now_s)

    def _record_motion(self, *, is_moving: bool) -> None:
        """Record a reading of the sensor, and publish it if it has changed."""
        if self._sensor_monitor.record(is_moving=is_moving, now_s=time.monotonic()):
            self._publish_motion_state(is_moving=is_moving)

    def _publish_motion_state(self, *, is_moving: bool) -> None:
        self._publish_motion(MotionState(state="on" if is_moving else "off", since=self._clock.now().at))

    def _capture(self, stopping: threading.Event) -> bool:
        """Observe until motion ends; True if the frames of a file have ended."""
        capture_id = uuid7()
        stream = self._vision.open_stream()
        tracker = Tracker(self._settings.reporting, on_flicker=partial(self._vision.count_skipped, "flicker"))
        self._still_faces.start_capture()
        held_rows: HeldRows[Row] = HeldRows(
            self._still_faces.is_still, on_skip=partial(self._vision.count_skipped, "still")
        )
        start_s = last_motion_s = time.monotonic()
        log.info("motion detected: starting a capture")
        with self._camera_manager.frames() as frames:
            for frame in frames:
                self._heartbeat()
                if frame is not None:
                    faces = stream.process(frame, frame.arrived_s)
                    summaries = tracker.update(faces, frame.arrived_s)
                    boxes = [(track, face.box) for track, face in tracker.visible_faces()]
                    self._still_faces.update(frame.gray, boxes, frame.arrived_s)
                    self._store(capture_id, summaries, held_rows)
                now_s = time.monotonic()
                is_moving = self._motion.is_moving
                self._record_motion(is_moving=is_moving)
                last_motion_s = now_s if is_moving else last_motion_s
                is_still = now_s - last_motion_s >= self._settings.motion.hold_s
                if is_still or stopping.is_set() or now_s - start_s >= self._sensor_monitor.max_capture_s(now_s):
                    has_ended = False
                    break
            else:
                has_ended = not self._camera_manager.is_live
        self._store(capture_id, tracker.finish(), held_rows)
        held_rows.finish()
        log.info("the capture has ended")
        return has_ended

    def _store(self, capture_id: UUID, summaries: list[TrackSummary], held_rows: HeldRows[Row]) -> None:
        for summary in summaries:
            timestamp = self._clock.now()
            row = self._draft(capture_id, summary, timestamp), timestamp
            for draft, made_at in held_rows.add(summary.track, row):
                self._append(draft, made_at)

    def _append(self, draft: ObservationDraft, timestamp: Timestamp) -> None:
        try:
            self._outbox.append(draft, timestamp)
        except DatabaseError as error:
            log.error("an observation is lost: %s", error)  # such as on a full disk; the health report counts it
        else:
            self._record_prediction(draft.emotion, draft.confidence)

    def _draft(self, capture_id: UUID, summary: TrackSummary, timestamp: Timestamp) -> ObservationDraft:
        scores = Scores.of(summary.scores)
        emotion, confidence = scores.highest()
        return ObservationDraft(
            device=self._settings.device,
            capture=capture_id,
            track=summary.track,
            at=timestamp.at,
            clock=timestamp.state,
            emotion=emotion,
            confidence=confidence,
            scores=scores,
            frames=summary.frames,
            box=summary.last_face.box_fractions,
            model=self._vision.model_id,
            latency_ms=summary.last_face.latency_ms,
            agent=VERSION,
        )

"""What a frame costs in the agent's own loop, what searching around known faces saves, and whether memory grows."""

import dataclasses
import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.edge.agent import Agent
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.factory import open_camera
from mien.edge.camera.frame import Frame
from mien.edge.camera.image_file import read_image
from mien.edge.camera.settings import CameraSettings
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.motion.sensor import AlwaysOnSensor
from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.motion.settings import AlwaysOnSettings
from mien.edge.settings import AgentSettings
from mien.edge.vision.face_follower import FaceFollower
from mien.edge.vision.factory import open_detector
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.settings import FaceSettings, YuNetSettings
from mien.face_detection.crop import crop_face
from mien.face_detection.detector import FaceDetector
from mien.model.classifier import Classifier
from mien.model.preprocessing import preprocess
from parts.measure import Metrics, resident_bytes

WARMUP_FRAMES = 1_000


class InMemoryCamera:
    """Takes the place of a live camera: delivers frames at once, so that no camera's pace is measured."""

    is_ready = True
    is_live = True

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames

    def poll(self) -> None:
        """Do nothing: there is no camera to keep open."""

    @contextmanager
    def frames(self) -> Iterator[Iterator[Frame]]:
        """All frames, once."""
        yield self._frames


def run_agent(frames: Iterator[Frame], detector: FaceDetector, classifier: Classifier, faces: FaceSettings) -> None:
    """Run the agent's own loop over frames until they end, with a temporary outbox."""
    motion_settings = AlwaysOnSettings(max_capture_s=1e9)
    settings = AgentSettings(device="benchmark", motion=motion_settings, faces=faces)
    stopping = threading.Event()

    def until_the_end() -> Iterator[Frame]:
        yield from frames
        stopping.set()

    with (
        tempfile.TemporaryDirectory() as folder,
        Outbox(Path(folder) / "outbox.db", device=settings.device) as outbox,
        AlwaysOnSensor() as motion,
    ):
        Agent(
            settings,
            motion=motion,
            camera_manager=InMemoryCamera(until_the_end()),  # type: ignore[arg-type]
            vision=VisionPipeline(settings.faces, detector=detector, classifier=classifier),
            outbox=outbox,
            clock=Clock("trusted"),
            sensor_monitor=MotionSensorMonitor(settings.motion),
        ).run(stopping)


class Stopwatch:
    """Wraps a function and adds up the CPU time of its calls: other programs do not count."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.total_s = 0.0
        self._function = function

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        start_s = time.thread_time()
        result = self._function(*arguments, **options)
        self.total_s += time.thread_time() - start_s
        return result


def read_frames(camera: CameraSettings, count: int) -> list[Frame]:
    """The first frames of a camera."""
    with open_camera(camera) as frames:
        return list(itertools.islice(frames, count))


def measure_frame_cost(frames: list[Frame], faces: FaceSettings) -> Metrics:
    """CPU milliseconds of each part of a frame, and overhead_ratio: of a whole frame to detection and inference alone.

    With a search of the whole frame in each, so that the ratio compares with that of a detector without regions.
    """
    faces = msgspec.structs.replace(faces, detect_every=1)
    detector, classifier = open_detector(faces), Classifier()
    detector.detect(frames[0].image)
    classifier(frames[0].gray)
    detect, predict = Stopwatch(detector.detect), Stopwatch(classifier.predict)
    detector.detect, classifier.predict = detect, predict  # type: ignore[method-assign]
    total_s = 0.0

    def ten_a_second() -> Iterator[Frame]:
        nonlocal total_s
        start_s = time.thread_time()
        for number, frame in enumerate(frames):  # so that observations fall due as on a device
            yield dataclasses.replace(frame, arrived_s=number / 10)
        total_s = time.thread_time() - start_s

    run_agent(ten_a_second(), detector, classifier, faces)
    to_ms = 1000 / len(frames)
    return {
        "runtime": classifier.runtime,
        "frames": float(len(frames)),
        "frame_ms": total_s * to_ms,
        "detect_ms": detect.total_s * to_ms,
        "predict_ms": predict.total_s * to_ms,
        "rest_ms": (total_s - detect.total_s - predict.total_s) * to_ms,
        "overhead_ratio": total_s / (detect.total_s + predict.total_s),
    }


def measure_detection(frames: list[Frame], faces: FaceSettings, *, frames_per_second: float) -> Metrics:
    """detect_vs_full: CPU time to find and crop the faces, as the settings say, relative to one search of each whole
    frame; whether the same faces and labels come of it.

    Both take turns on each frame, so that other programs disturb both alike.
    """
    detector, classifier = open_detector(faces), Classifier()
    follower = FaceFollower(detector, detect_every=faces.detect_every)
    search_s = follow_s = 0.0
    one_face = compared = equal_labels = 0
    overlaps: list[float] = []
    for number, frame in enumerate(frames):
        start_s = time.thread_time()
        whole = detector.detect(frame.image)
        search_s += time.thread_time() - start_s
        start_s = time.thread_time()
        followed = follower.locate(frame, number / frames_per_second)
        crops = [crop_face(frame.gray, face) for face in followed]
        follow_s += time.thread_time() - start_s
        one_face += len(followed) == 1
        if whole:
            compared += 1
        if whole and followed:
            overlaps.append(whole[0].box.iou(followed[0].box))
            equal_labels += _label(classifier, crop_face(frame.gray, whole[0])) == _label(classifier, crops[0])
    return {
        "full_search_ms": search_s / len(frames) * 1000,
        "detect_and_crop_ms": follow_s / len(frames) * 1000,
        "detect_vs_full": follow_s / search_s,
        "one_face_share": one_face / len(frames),
        "equal_labels": equal_labels / compared if compared else 1.0,
        "mean_iou": float(np.mean(overlaps)) if overlaps else 1.0,
    }


def _label(classifier: Classifier, crop: NDArray[np.uint8]) -> int:
    return int(np.argmax(classifier.predict(preprocess(crop))))


def measure_memory_growth(count: int) -> Metrics:
    """rss_growth: memory after `count` frames of 160x120, relative to after 1,000. Needs its own process."""
    face = cv2.resize(read_image(PORTRAIT), (80, 96)).astype(np.uint8)
    memory_bytes: dict[int, int] = {}

    def frames() -> Iterator[Frame]:
        for number in range(count + 1):
            image: NDArray[np.uint8] = np.full((120, 160), 96, np.uint8)
            left = number % 80
            image[12:108, left : left + 80] = face
            yield Frame(image, number / 10)
            if number in (WARMUP_FRAMES, count):
                memory_bytes[number] = resident_bytes()

    faces = YuNetSettings(min_crop_px=24, min_sharpness=0.0)
    run_agent(frames(), open_detector(faces), Classifier(), faces)
    return {"rss_mb": memory_bytes[count] / 1e6, "rss_growth": memory_bytes[count] / memory_bytes[WARMUP_FRAMES]}

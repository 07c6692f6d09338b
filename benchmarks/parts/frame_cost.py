"""How the time of a frame divides up in the agent's own loop, and whether the agent's memory grows."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.agent import Agent
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.factory import open_camera
from mien.edge.camera.frame import Frame, read_image
from mien.edge.camera.settings import CameraSettings
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.motion.sensor import AlwaysOnSensor
from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.motion.settings import AlwaysOnSettings
from mien.edge.settings import AgentSettings
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.settings import FaceSettings, HaarSettings
from mien.face_detection.haar import HaarDetector
from mien.model.classifier import Classifier
from parts.measure import Metrics, resident_bytes

WARMUP_FRAMES = 1_000


class InMemoryCamera:
    """Takes the place of the camera manager: delivers frames at once, so that no camera's pace is measured."""

    is_ready = True
    is_live = False

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames

    def poll(self) -> None:
        """Do nothing: there is no camera to keep open."""

    @contextmanager
    def frames(self) -> Iterator[Iterator[Frame]]:
        """All frames, once."""
        yield self._frames


def run_agent(frames: Iterator[Frame], detector: HaarDetector, classifier: Classifier, faces: FaceSettings) -> None:
    """Run the agent's own loop over frames until they end, with a temporary outbox."""
    motion_settings = AlwaysOnSettings(max_capture_s=1e9)
    settings = AgentSettings(device="benchmark", motion=motion_settings, faces=faces)
    with (
        tempfile.TemporaryDirectory() as folder,
        Outbox(Path(folder) / "outbox.db", device=settings.device) as outbox,
        AlwaysOnSensor() as motion,
    ):
        Agent(
            settings,
            motion=motion,
            camera_manager=InMemoryCamera(frames),  # type: ignore[arg-type]
            vision=VisionPipeline(settings.faces, detector=detector, classifier=classifier),
            outbox=outbox,
            clock=Clock("trusted"),
            sensor_monitor=MotionSensorMonitor(settings.motion),
        ).run(threading.Event())


class Stopwatch:
    """Wraps a function and adds up the duration of its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.total_s = 0.0
        self._function = function

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        start_s = time.perf_counter()
        result = self._function(*arguments, **options)
        self.total_s += time.perf_counter() - start_s
        return result


def measure_frame_cost(camera: CameraSettings, count: int) -> Metrics:
    """Milliseconds of each part of a frame, and overhead_ratio, with a detection in every frame."""
    with open_camera(camera) as live_frames:
        images = [frame.gray for frame, _ in zip(live_frames, range(count), strict=False)]
    detector, classifier = HaarDetector(), Classifier()
    detector.detect(images[0])
    classifier(images[0])
    detect, predict = Stopwatch(detector.detect), Stopwatch(classifier.predict)
    detector.detect, classifier.predict = detect, predict  # type: ignore[method-assign]
    total_s = 0.0

    def frames() -> Iterator[Frame]:
        nonlocal total_s
        start_s = time.perf_counter()
        for number, image in enumerate(images):
            yield Frame(image, number / 10)  # ten per second, so that observations fall due as on a device
        total_s = time.perf_counter() - start_s

    run_agent(frames(), detector, classifier, HaarSettings())
    to_ms = 1000 / len(images)
    return {
        "runtime": classifier.runtime,
        "frames": float(len(images)),
        "frame_ms": total_s * to_ms,
        "detect_ms": detect.total_s * to_ms,
        "predict_ms": predict.total_s * to_ms,
        "rest_ms": (total_s - detect.total_s - predict.total_s) * to_ms,
        "overhead_ratio": total_s / (detect.total_s + predict.total_s),
    }


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

    run_agent(frames(), HaarDetector(min_face_px=40), Classifier(), HaarSettings(min_crop_px=24, min_sharpness=0.0))
    return {"rss_mb": memory_bytes[count] / 1e6, "rss_growth": memory_bytes[count] / memory_bytes[WARMUP_FRAMES]}

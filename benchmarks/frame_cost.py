"""Where a frame's time goes in the agent's own loop, and whether its memory grows."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measure import memory_bytes
from numpy.typing import NDArray

from mien.classifier import Classifier
from mien.edge.agent import Agent
from mien.edge.camera import open_camera
from mien.edge.clock import Clock
from mien.edge.frame import Frame, read_picture
from mien.edge.motion import Always
from mien.edge.outbox import Outbox
from mien.edge.rhythm import Rhythm
from mien.edge.settings import AgentSettings, Camera, Faces, Motion
from mien.edge.vision import Vision
from mien.faces import HaarDetector

FIRST, LAST = 1_000, 20_000
"""Frames between which memory is compared."""


class MemoryEye:
    """Frames that wait in memory, in a camera's place: no camera's pace is in the figures."""

    ready = True
    live = False

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames

    def watch(self) -> None:
        """Nothing: there is no camera to keep open."""

    @contextmanager
    def frames(self) -> Iterator[Iterator[Frame]]:
        """All of them, once."""
        yield self._frames


def run_agent(frames: Iterator[Frame], detector: HaarDetector, classifier: Classifier, faces: Faces) -> None:
    """The agent's own loop over frames, into an outbox of its own, until they end."""
    longest = Motion(kind="always", longest_capture_s=1e9)
    settings = AgentSettings(device="benchmark", motion=longest, faces=faces)
    with (
        tempfile.TemporaryDirectory() as folder,
        Outbox(Path(folder) / "outbox.db", device=settings.device) as outbox,
        Always() as motion,
    ):
        Agent(
            settings,
            motion=motion,
            eye=MemoryEye(frames),  # type: ignore[arg-type]
            vision=Vision(settings.faces, detector=detector, classifier=classifier),
            outbox=outbox,
            clock=Clock("trusted"),
            rhythm=Rhythm(settings.motion),
        ).run(threading.Event())


class Stopwatch:
    """Adds up how long a call takes."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.total_s = 0.0
        self._call = call

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        begun_s = time.perf_counter()
        answer = self._call(*arguments, **options)
        self.total_s += time.perf_counter() - begun_s
        return answer


def cost_of_a_frame(camera: Camera, count: int) -> dict[str, float | str]:
    """Milliseconds of a frame's parts, and overhead_ratio; every frame is searched."""
    with open_camera(camera) as live:
        pictures = [frame.gray for frame, _ in zip(live, range(count), strict=False)]
    detector, classifier = HaarDetector(), Classifier()
    detector.find(pictures[0])
    classifier(pictures[0])
    detect, invoke = Stopwatch(detector.find), Stopwatch(classifier.invoke)
    detector.find, classifier.invoke = detect, invoke  # type: ignore[method-assign]
    whole_s = 0.0

    def frames() -> Iterator[Frame]:
        nonlocal whole_s
        begun_s = time.perf_counter()
        for number, picture in enumerate(pictures):
            yield Frame(picture, number / 10)  # ten a second, so that observations fall due as on a device
        whole_s = time.perf_counter() - begun_s

    run_agent(frames(), detector, classifier, Faces())
    milliseconds = 1000 / len(pictures)
    return {
        "runtime": classifier.runtime,
        "frames": float(len(pictures)),
        "frame_ms": whole_s * milliseconds,
        "detect_ms": detect.total_s * milliseconds,
        "classify_ms": invoke.total_s * milliseconds,
        "rest_ms": (whole_s - detect.total_s - invoke.total_s) * milliseconds,
        "overhead_ratio": whole_s / (detect.total_s + invoke.total_s),
    }


def memory_growth(portrait: Path) -> dict[str, float | str]:
    """rss_growth: memory after 20,000 frames of 160x120 over that after 1,000. Needs a process of its own."""
    face = cv2.resize(read_picture(portrait), (80, 96)).astype(np.uint8)
    memory: dict[int, int] = {}

    def frames() -> Iterator[Frame]:
        for number in range(LAST + 1):
            picture: NDArray[np.uint8] = np.full((120, 160), 96, np.uint8)
            left = number % 80
            picture[12:108, left : left + 80] = face
            yield Frame(picture, number / 10)
            if number in (FIRST, LAST):
                memory[number] = memory_bytes()

    run_agent(frames(), HaarDetector(smallest=40), Classifier(), Faces(smallest_crop=24, least_sharpness=0.0))
    return {"rss_mb": memory[LAST] / 1e6, "rss_growth": memory[LAST] / memory[FIRST]}

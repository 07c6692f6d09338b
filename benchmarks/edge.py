"""Where a frame's time goes on the device: python benchmarks/edge.py [--source FILE] [--json].

overhead_ratio is the time of a whole frame, as the agent spends it, over detection and inference alone; every frame is
searched. What the model alone costs: benchmarks/model.py.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from measure import print_figures
from numpy.typing import NDArray

import mien.broker
from mien.classifier import Classifier
from mien.edge.agent import Agent
from mien.edge.camera import open_camera
from mien.edge.clock import Clock
from mien.edge.frame import Frame
from mien.edge.motion import ScriptedPir
from mien.edge.outbox import Outbox
from mien.edge.settings import AgentSettings, Camera, Motion
from mien.faces import Box, HaarDetector
from mien.preprocessing import prepare

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"


class Stopwatch:
    """Adds up the time of a part for each frame."""

    def __init__(self) -> None:
        self.total_s = 0.0

    def __enter__(self) -> None:
        self._begun_s = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.total_s += time.perf_counter() - self._begun_s


class TimedDetector:
    """The detector with a stopwatch."""

    def __init__(self, detector: HaarDetector, watch: Stopwatch) -> None:
        self._detector = detector
        self._watch = watch

    def find(self, gray: NDArray[np.uint8]) -> list[Box]:
        with self._watch:
            return self._detector.find(gray)


class TimedClassifier(Classifier):
    """The classifier with a stopwatch for each of its halves."""

    def __init__(self, prepare_watch: Stopwatch, invoke_watch: Stopwatch) -> None:
        super().__init__()
        self._prepare_watch = prepare_watch
        self._invoke_watch = invoke_watch

    def __call__(self, crop: NDArray[np.uint8], *, mirrored: bool = False) -> NDArray[np.float32]:
        with self._prepare_watch:
            prepared = prepare(crop)
        with self._invoke_watch:
            return self.invoke(prepared[:, ::-1] if mirrored else prepared)


def split_of_a_frame(camera: Camera, frame_count: int) -> dict[str, float | str]:
    """Run the agent's own loop over frames that wait in memory, so that no camera's pace is in the figures."""
    with open_camera(camera) as live:
        pictures = [frame.gray for frame, _ in zip(live, range(frame_count), strict=False)]
    detect, preparing, invoke, whole = (Stopwatch() for _ in range(4))
    classifier = TimedClassifier(preparing, invoke)
    classifier(pictures[0])
    for watch in (preparing, invoke):
        watch.total_s = 0.0

    @contextmanager
    def memory() -> Iterator[Iterator[Frame]]:
        def frames() -> Iterator[Frame]:
            with whole:
                for number, picture in enumerate(pictures):
                    yield Frame(picture, number / 10)  # ten a second, so that observations fall due as on a device

        yield frames()

    settings = AgentSettings(device="benchmark", motion=Motion(script=[(0.0, 1e9)]), camera=camera)
    with (
        tempfile.TemporaryDirectory() as folder,
        Outbox(Path(folder) / "outbox.db", device=settings.device) as outbox,
        ScriptedPir(settings.motion) as motion,
    ):
        Agent(
            settings,
            motion=motion,
            open_camera=memory,
            detector=TimedDetector(HaarDetector(), detect),
            classifier=classifier,
            outbox=outbox,
            clock=Clock("trusted"),
        ).run(threading.Event())
    milliseconds = 1000 / len(pictures)
    rest_s = whole.total_s - detect.total_s - preparing.total_s - invoke.total_s
    return {
        "runtime": classifier.runtime,
        "frames": float(len(pictures)),
        "frame_ms": whole.total_s * milliseconds,
        "detect_ms": detect.total_s * milliseconds,
        "preprocess_ms": preparing.total_s * milliseconds,
        "classify_ms": invoke.total_s * milliseconds,
        "rest_ms": rest_s * milliseconds,
        "overhead_ratio": whole.total_s / (detect.total_s + invoke.total_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, help="a video, picture or folder; the drifting portrait unless given")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    camera = Camera(kind="portrait", path=str(PORTRAIT), frames_per_second=100)
    if options.source:
        camera = Camera(kind="file", path=str(options.source), frames_per_second=100, loop=True)
    figures = split_of_a_frame(camera, options.frames)
    print_figures("one frame of the agent", figures, as_json=options.json)


if __name__ == "__main__":
    main()

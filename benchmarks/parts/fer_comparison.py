"""mien and the `fer` package on the same video: frames per second and peak memory, each in its own process on one core.

The environment of `fer` is created without its declared packages, then with TensorFlow for CPUs, headless OpenCV and
the other packages that it imports. facenet-pytorch (its MTCNN detector, and with it PyTorch) is left out, which lowers
its memory.
"""

import json
import sys
import venv
from pathlib import Path

from parts.measure import ChildFailed, Metrics, run_child
from parts.mini_xception import FER_REQUIREMENT

FER_DEPENDENCIES = [
    "tensorflow-cpu>=2.21,<2.22",
    "opencv-contrib-python-headless<5",
    "ffmpeg-python",
    "matplotlib",
    "moviepy<2",
    "pandas",
    "pillow",
    "requests",
    "setuptools<81",  # for pkg_resources
    "tqdm",
]
FER_SETUP = """
import logging
from fer.fer import FER
logging.disable()
detector = FER()
def process(frame):
    return len(detector.detect_emotions(frame))
"""
MIEN_SETUP = """
import itertools
import time
from mien.edge.camera.frame import Frame
from mien.edge.settings import ReportingSettings
from mien.edge.vision.settings import HaarSettings, YuNetSettings
from mien.edge.vision.factory import open_detector
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.tracker import Tracker
from mien.model.classifier import Classifier
settings = {settings}
stream = VisionPipeline(settings, detector=open_detector(settings), classifier=Classifier()).open_stream()
tracker = Tracker(ReportingSettings())
numbers = itertools.count(1)
def process(frame):
    now_s = next(numbers) / 10
    faces = stream.process(Frame.of(frame, time.monotonic()), now_s)
    tracker.update(faces, now_s)
    return len(faces)
"""
SCRIPT = """
import os, sys
os.sched_setaffinity(0, {{max(os.sched_getaffinity(0))}})
import json, time
import cv2
cv2.setNumThreads(1)
{setup}
capture = cv2.VideoCapture(sys.argv[1])
frames = with_one_face = 0
duration_s = 0.0
while True:
    success, image = capture.read()
    if not success:
        break
    if frames == 0:
        process(image)  # so that lazy loading does not count
    start_s = time.process_time()
    with_one_face += process(image) == 1
    duration_s += time.process_time() - start_s
    frames += 1
if frames == 0:
    sys.exit(f"OpenCV cannot read {{sys.argv[1]}}: convert it to MP4")
status = open("/proc/self/status").read()
print(json.dumps({{
    "frames_per_second": frames / duration_s,
    "one_face_share": with_one_face / frames,
    "peak_mb": int(status.split("VmHWM:")[1].split()[0]) / 1000,
}}))
"""


def compare_with_fer(video: Path, environment: Path) -> Metrics:
    """The whole path of both, from a frame to its emotions, on every frame of a video, each with its defaults.

    The time is that of the CPU, so that other programs do not count; reading the video does not count either.
    `environment` is the folder of the environment of `fer`; it is created if it does not exist. ChildFailed, with what
    to do, if it cannot be.
    """
    fer = _measure("fer", str(_prepare(environment)), FER_SETUP, video)
    mien = {
        name: _measure(f"mien with {name}", sys.executable, MIEN_SETUP.format(settings=settings), video)
        for name, settings in (
            ("yunet", "YuNetSettings()"),
            ("yunet_whole_frames", "YuNetSettings(detect_every=1)"),
            ("haar", "HaarSettings()"),
        )
    }
    metrics: Metrics = {
        "fps_vs_fer": mien["yunet"]["frames_per_second"] / fer["frames_per_second"],
        "one_face_share": mien["yunet"]["one_face_share"],
        "fer_one_face_share": fer["one_face_share"],
        "fer_frames_per_second": fer["frames_per_second"],
        "mien_frames_per_second": mien["yunet"]["frames_per_second"],
        "mien_peak_mb": mien["yunet"]["peak_mb"],
        "memory_vs_fer": mien["yunet"]["peak_mb"] / fer["peak_mb"],
    }
    for name in ("yunet_whole_frames", "haar"):
        metrics[f"fps_vs_fer_{name}"] = mien[name]["frames_per_second"] / fer["frames_per_second"]
        metrics[f"one_face_share_{name}"] = mien[name]["one_face_share"]
    return metrics


def _prepare(environment: Path) -> Path:
    """The Python of an environment with `fer`."""
    python, is_complete = environment / "bin" / "python", environment / "fer-is-installed"
    if is_complete.exists():
        return python
    try:
        venv.create(environment, with_pip=True)
        for packages in (["--no-deps", FER_REQUIREMENT], FER_DEPENDENCIES):
            run_child("pip", [str(python), "-m", "pip", "install", "--quiet", *packages])
    except (OSError, ChildFailed) as error:
        raise ChildFailed(
            f"{FER_REQUIREMENT} cannot be installed into {environment} ({error}): connect to a package index once, or "
            "name another folder with --environment"
        ) from error
    is_complete.touch()
    return python


def _measure(name: str, python: str, setup: str, video: Path) -> dict[str, float]:
    output = run_child(name, [python, "-c", SCRIPT.format(setup=setup), str(video.resolve())])
    metrics: dict[str, float] = json.loads(output.splitlines()[-1])
    return metrics

"""mien and the `fer` package on the same video: frames per second and peak memory, each in its own process.

The environment of `fer` is created without its declared packages, then with TensorFlow for CPUs, headless OpenCV and
the other packages that it imports. facenet-pytorch (its MTCNN detector, and with it PyTorch) is left out, which lowers
its memory.
"""

import json
import sys
import venv
from pathlib import Path

from parts.measure import Metrics, run_child

FER_REQUIREMENT = "fer==25.10.3"
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
MIN_FACE_PX = 40
FER_SETUP = """
import logging
from fer.fer import FER
logging.disable()
detector = FER(mtcnn=False, min_face_size=min_face_px)
def process(frame):
    return len(detector.detect_emotions(frame))
"""
MIEN_SETUP = """
import itertools
import time
from mien.edge.camera.frame import Frame, to_gray
from mien.edge.settings import ReportingSettings
from mien.edge.vision.settings import HaarSettings
from mien.edge.vision.factory import open_detector
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.tracker import Tracker
from mien.model.classifier import Classifier
settings = HaarSettings(min_face_px=min_face_px, detect_every=detect_every)
stream = VisionPipeline(settings, detector=open_detector(settings), classifier=Classifier()).open_stream()
tracker = Tracker(ReportingSettings())
numbers = itertools.count(1)
def process(frame):
    now_s = next(numbers) / 10
    faces = stream.process(Frame(to_gray(frame), time.monotonic()), now_s)
    tracker.update(faces, now_s)
    return len(faces)
"""
SCRIPT = """
import json, sys, time
import cv2
video, min_face_px, detect_every = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
{setup}
capture = cv2.VideoCapture(video)
frames = frames_with_a_face = duration_s = 0
while True:
    success, image = capture.read()
    if not success:
        break
    height, width = image.shape[:2]
    small = cv2.resize(image, (320, round(height * 320 / width)), interpolation=cv2.INTER_AREA)
    if frames == 0:
        process(small)  # so that lazy loading does not count
    start_s = time.perf_counter()
    frames_with_a_face += process(small) > 0
    duration_s += time.perf_counter() - start_s
    frames += 1
if frames == 0:
    sys.exit(f"OpenCV cannot read {{video}}")
status = open("/proc/self/status").read()
print(json.dumps({{
    "frames_per_second": frames / duration_s,
    "frames_with_a_face": frames_with_a_face,
    "peak_mb": int(status.split("VmHWM:")[1].split()[0]) / 1000,
}}))
"""


def compare_with_fer(video: Path, folder: Path) -> Metrics:
    """Run both on every frame of a video, scaled to a width of 320 pixels, for faces of 40 pixels or more.

    mien also with a detection in every tenth frame only, tracking faces in between, which `fer` cannot do. `folder`
    holds the environment of `fer`; it is created if it does not exist.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        for packages in (["--no-deps", FER_REQUIREMENT], FER_DEPENDENCIES):
            run_child("pip", [str(python), "-m", "pip", "install", "--quiet", *packages])
    fer = _measure("fer", str(python), FER_SETUP, video, detect_every=1)
    mien = _measure("mien", sys.executable, MIEN_SETUP, video, detect_every=1)
    tracking = _measure("mien", sys.executable, MIEN_SETUP, video, detect_every=10)
    return {
        "fer_frames_per_second": fer["frames_per_second"],
        "mien_frames_per_second": mien["frames_per_second"],
        "fer_frames_with_a_face": fer["frames_with_a_face"],
        "mien_frames_with_a_face": mien["frames_with_a_face"],
        "fps_vs_fer": mien["frames_per_second"] / fer["frames_per_second"],
        "fps_vs_fer_tracking": tracking["frames_per_second"] / fer["frames_per_second"],
        "tracking_frames_with_a_face": tracking["frames_with_a_face"],
        "mien_peak_mb": mien["peak_mb"],
        "memory_vs_fer": mien["peak_mb"] / fer["peak_mb"],
    }


def _measure(name: str, python: str, setup: str, video: Path, *, detect_every: int) -> dict[str, float]:
    arguments = [str(video.resolve()), str(MIN_FACE_PX), str(detect_every)]
    output = run_child(name, [python, "-c", SCRIPT.format(setup=setup), *arguments])
    metrics: dict[str, float] = json.loads(output.splitlines()[-1])
    return metrics

"""The `fer` package on the same clip: frames a second and peak memory, each side in a process of its own.

Its environment: `fer` without its declared packages, then TensorFlow for CPUs, OpenCV headless and what else it
imports; facenet-pytorch (its MTCNN detector, and PyTorch with it) is left out, to its advantage in memory.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path

FER = "fer==25.10.3"
PACKAGES = [
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
SIDES = {
    "fer": """
import logging
from fer.fer import FER
logging.disable()
detector = FER(mtcnn=False, min_face_size=smallest)
def see(frame):
    return len(detector.detect_emotions(frame))
""",
    "mien": """
import time
import cv2
from mien.classifier import Classifier
from mien.edge.frame import Frame, gray
from mien.edge.settings import Faces, Reporting
from mien.edge.tracks import Tracks
from mien.edge.detector import open_detector
from mien.edge.vision import Vision
faces = Faces(smallest=smallest, every=every)
vision = Vision(faces, detector=open_detector(faces), classifier=Classifier())
tracks = Tracks(Reporting())
number = 0
def see(frame):
    global number
    number += 1
    found = vision.see(Frame(gray(frame), time.monotonic()))
    tracks.see(found, number / 10)
    return len(found)
""",
}
LOOP = """
import json, sys, time
import cv2
clip, smallest, every = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
{side}
capture = cv2.VideoCapture(clip)
count = found = used = 0
while True:
    there, picture = capture.read()
    if not there:
        break
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (320, round(height * 320 / width)), interpolation=cv2.INTER_AREA)
    if count == 0:
        see(small)  # what is loaded late is not in the figures
    begun = time.perf_counter()
    found += see(small) > 0
    used += time.perf_counter() - begun
    count += 1
status = open("/proc/self/status").read()
print(json.dumps({{
    "frames_per_second": count / used,
    "frames_with_a_face": found,
    "peak_mb": int(status.split("VmHWM:")[1].split()[0]) / 1000,
}}))
"""


def against_fer(clip: Path, folder: Path) -> dict[str, float | str]:
    """Both on every frame of a clip, scaled to 320 pixels' width, faces of 40 pixels and more.

    mien also with a detection in every tenth frame only, faces followed in between; `fer` has no such thing.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        for packages in (["--no-deps", FER], PACKAGES):
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    fer = _side("fer", str(python), clip, every=1)
    mien = _side("mien", sys.executable, clip, every=1)
    following = _side("mien", sys.executable, clip, every=10)
    return {
        "fer_frames_per_second": fer["frames_per_second"],
        "mien_frames_per_second": mien["frames_per_second"],
        "fer_frames_with_a_face": fer["frames_with_a_face"],
        "mien_frames_with_a_face": mien["frames_with_a_face"],
        "fps_vs_fer": mien["frames_per_second"] / fer["frames_per_second"],
        "fps_vs_fer_following": following["frames_per_second"] / fer["frames_per_second"],
        "following_frames_with_a_face": following["frames_with_a_face"],
        "mien_peak_mb": mien["peak_mb"],
        "memory_vs_fer": mien["peak_mb"] / fer["peak_mb"],
    }


def _side(name: str, python: str, clip: Path, *, every: int) -> dict[str, float]:
    script = LOOP.format(side=SIDES[name])
    told = subprocess.run(
        [python, "-c", script, str(clip.resolve()), "40", str(every)], capture_output=True, text=True, check=False
    )
    if told.returncode:
        sys.exit(f"{name} failed on {clip}:\n{told.stderr}")
    figures: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return figures

"""How best to prepare a frame for the cascade: python benchmarks/detection.py [SCENE…] [--json].

A scene is a video or an image; without any, the demo camera's drifting portrait. In usual light, in dim light, in the
dark, in haze and with noise: the fraction of frames in which a face is detected, and the time relative to mien's own
method, for frames prepared as mien does it, unchanged, and with equalized histograms.
"""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray
from parts.measure import Metrics, benchmark_parser, print_metrics

import mien.face_detection.haar
from mien.edge.camera.factory import open_camera
from mien.edge.camera.file_camera import is_image
from mien.edge.camera.frame import read_image, to_gray
from mien.edge.camera.settings import DemoCameraSettings
from mien.edge.camera.video_file import VideoFile
from mien.face_detection.haar import HaarDetector

LIGHTS = {  # gain, offset, and standard deviation of the noise
    "usual": (1.0, 0.0, 0.0),
    "dim": (0.3, 0.0, 2.0),
    "dark": (0.1, 0.0, 1.0),
    "haze": (0.3, 150.0, 3.0),
    "noise": (0.5, 60.0, 8.0),
}
METHODS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "mien": mien.face_detection.haar._stretch_contrast,
    "unchanged": lambda image: image,
    "equalized": lambda image: cv2.equalizeHist(image).astype(np.uint8, copy=False),
}


def read_frames(scene: Path | None, count: int) -> Iterator[NDArray[np.uint8]]:
    """Up to `count` gray frames of a scene, spread over all of a video."""
    if scene is None:
        with open_camera(DemoCameraSettings(frames_per_second=10)) as frames:
            yield from (frame.gray for frame in islice(frames, count))
    elif is_image(scene):
        yield read_image(scene)
    else:
        with VideoFile(scene) as video:
            frames_per_second = video.frames_per_second * count / max(count, video.frame_count)
            yield from (to_gray(image) for _, image in video.images(frames_per_second))


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("scenes", type=Path, nargs="*")
    parser.add_argument("--frames", type=int, default=60, help="frames of each scene")
    options = parser.parse_args()
    random = np.random.default_rng(1)
    metrics: Metrics = {}
    times_s = dict.fromkeys(METHODS, 0.0)
    for scene in options.scenes or [None]:
        scene_name = scene.stem if scene else "demo"
        images = list(read_frames(scene, options.frames))
        for light, (gain, offset, deviation) in LIGHTS.items():
            lit_images = [
                np.clip(image * gain + offset + random.normal(0, deviation, image.shape), 0, 255).astype(np.uint8)
                for image in images
            ]
            for method, prepare in METHODS.items():
                with patch.object(mien.face_detection.haar, "_stretch_contrast", prepare):
                    detector = HaarDetector()
                    start_s = time.process_time()
                    detected = sum(bool(detector.detect(image)) for image in lit_images)
                    times_s[method] += time.process_time() - start_s
                metrics[f"{scene_name}_{light}_{method}"] = detected / len(lit_images)
    metrics |= {f"time_{method}": time_s / times_s["mien"] for method, time_s in times_s.items()}
    print_metrics("fraction of frames with a detected face", metrics, as_json=options.json)


if __name__ == "__main__":
    main()

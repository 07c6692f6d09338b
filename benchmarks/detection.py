"""How many faces the detectors find: python benchmarks/detection.py FOLDER [--detector yunet|haar] [--json].

FOLDER contains images and truth.json, which names the faces in each:

    {"hall.jpg": {"faces": [{"box": [312, 80, 64, 82], "size": 73, "pose": "frontal", "roll": 4.5}],
                  "ignore": [[0, 300, 90, 60]]}}

`box`: left, top, width and height in pixels, from the chin to the hairline and from ear to ear; `size`: the mean of
its width and height; `pose`: frontal, half or profile; `roll` (degrees) may be left out. `ignore`: areas in which a
hit counts neither way. An image without faces has an empty list: an empty room.

Prints for each detector with its defaults at the agent: `recall_32`, the fraction found of the faces of 32 px and more,
`recall_32_half_profile`, that of the half profiles among them, `false_faces` of 32 px and more, and `ms`, the median
time for an image on one core; then recall by size. The metrics of the Haar cascade begin with `haar_` unless it is
the only one. Scale the images to the camera's frames before (640x480): that is what the sizes are about.
"""

import time
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from parts.face_truth import COUNTED_PX, Comparison, MarkedImage, read_truth
from parts.measure import Metrics, benchmark_parser, print_metrics

from mien.edge.vision.factory import open_detector
from mien.edge.vision.settings import FaceSettings, HaarSettings, YuNetSettings
from mien.face_detection.detector import FaceDetector

SIZES_PX = ((20, 32), (32, 40), (40, 80), (80, 10_000))


def measure(detector: FaceDetector, images: dict[Path, MarkedImage], *, gray: bool, gain: float) -> Metrics:
    """The metrics of one detector."""
    comparison = Comparison()
    times_ms = []
    for file, marked in images.items():
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR)
        if image is None:
            raise SystemExit(f"{file} is not an image that OpenCV can read: correct truth.json")
        frame = np.clip(image * gain, 0, 255).astype(np.uint8)
        detector.detect(frame)  # the first search of a new size costs more
        start_s = time.perf_counter()
        faces = detector.detect(frame)
        times_ms.append((time.perf_counter() - start_s) * 1000)
        comparison.add([face.box for face in faces], marked)
    metrics: Metrics = {
        "recall_32": comparison.recall(min_px=COUNTED_PX),
        "recall_32_half_profile": comparison.recall(min_px=COUNTED_PX, pose="half"),
        "false_faces": float(comparison.false_faces),
        "ms": median(times_ms),
    }
    for min_px, max_px in SIZES_PX:
        metrics[f"recall_from_{min_px}"] = comparison.recall(min_px=min_px, max_px=max_px)
    return {
        name: value for name, value in metrics.items() if value == value
    }  # nothing marked of that kind: not a number


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("folder", type=Path, help="images and truth.json")
    parser.add_argument("--detector", choices=["yunet", "haar"], help="only this one")
    parser.add_argument("--working-width", type=int, help="instead of each detector's default")
    parser.add_argument("--min-score", type=float, help="of YuNet, instead of the default")
    parser.add_argument("--gray", action="store_true", help="search gray frames, as of a camera without color")
    parser.add_argument("--gain", type=float, default=1.0, help="multiply the brightness, as in the dark")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    images = read_truth(options.folder)
    kinds: dict[str, type[FaceSettings]] = {"yunet": YuNetSettings, "haar": HaarSettings}
    metrics: Metrics = {}
    for name in [options.detector] if options.detector else kinds:
        changes = {"working_width": options.working_width}
        if name == "yunet":
            changes["min_score"] = options.min_score
        settings = kinds[name](**{key: value for key, value in changes.items() if value is not None})
        prefix = "haar_" if name == "haar" and not options.detector else ""
        measured = measure(open_detector(settings), images, gray=options.gray, gain=options.gain)
        metrics |= {prefix + key: value for key, value in measured.items()}
    print_metrics(f"faces found in {len(images)} images", metrics, as_json=options.json)


if __name__ == "__main__":
    main()

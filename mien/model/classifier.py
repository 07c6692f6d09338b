"""A model file and its runtime behind one call: a face crop in, scores out."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import MissingExtra, ModelError
from mien.model.model_card import DEFAULT_MODEL, INPUT_SHAPE, check_model_card, read_model
from mien.model.preprocessing import PREPROCESSING_ID, preprocess


class Classifier:
    """One model on one runtime; call it with a crop. Not thread-safe.

    Uses ai-edge-litert if it is installed, otherwise its predecessor tflite-runtime; `runtime` names the one in use.
    """

    def __init__(self, path: Path = DEFAULT_MODEL, *, threads: int = 1) -> None:
        """Load and check a model. ModelError if it is missing, broken or incompatible with this release.

        With more threads than free cores, a single prediction takes hundreds of milliseconds; hence the default of 1.
        """
        model, self.card = read_model(path)
        check_model_card(self.card, PREPROCESSING_ID, str(path))
        interpreter_type, self.runtime = _installed_runtime()
        try:
            self._interpreter = interpreter_type(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            hint = "export it again or install ai-edge-litert"
            raise ModelError(f"{path} does not load in {self.runtime} ({error}): {hint}") from error
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        shapes = tuple(self._input["shape"]), tuple(self._output["shape"])
        if shapes != (INPUT_SHAPE, (1, len(EMOTIONS))):
            raise ModelError(f"{path} maps {shapes[0]} to {shapes[1]}, unlike its model card: export it again")

    @property
    def model_id(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the weights."""
        return self.card.model_id

    @property
    def is_accelerated(self) -> bool:
        """Whether XNNPACK, the runtime's optimized kernels, executes at least part of the network."""
        return any(operation["op_name"] == "DELEGATE" for operation in self._interpreter._get_ops_details())

    def __call__(self, crop: NDArray[np.uint8], *, mirrored: bool = False) -> NDArray[np.float32]:
        """Scores for a gray (height, width) uint8 crop: (7,) float32 in the order of EMOTIONS, with a sum of about 1.

        With `mirrored`, the scores of its mirror image, which shows the same expression.
        """
        image = preprocess(crop)
        return self.predict(image[:, ::-1] if mirrored else image)

    def predict(self, preprocessed: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores, as for a call, of a (48, 48) uint8 image from `mien.model.preprocessing.preprocess`."""
        self._interpreter.set_tensor(self._input["index"], _quantize(preprocessed, self._input).reshape(INPUT_SHAPE))
        self._interpreter.invoke()
        return _dequantize(self._interpreter.get_tensor(self._output["index"])[0], self._output)


def _quantize(values: NDArray[np.uint8], tensor: dict[str, Any]) -> NDArray[Any]:
    if tensor["dtype"] is np.float32:
        return values.astype(np.float32)
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    quantized: NDArray[Any] = np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max)
    return quantized.astype(tensor["dtype"])


def _dequantize(values: NDArray[Any], tensor: dict[str, Any]) -> NDArray[np.float32]:
    if tensor["dtype"] is np.float32:
        return values.astype(np.float32)
    scale, zero_point = tensor["quantization"]
    scores: NDArray[np.float32] = (values.astype(np.float32) - zero_point) * np.float32(scale)
    return scores


def _installed_runtime() -> tuple[Any, str]:
    """The interpreter class, and the runtime's name and version."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ModuleNotFoundError as error:
            raise MissingExtra("no TFLite runtime is installed: pip install 'mien[edge]'") from error
        return Interpreter, f"tflite-runtime {version('tflite-runtime')}"
    return Interpreter, f"ai-edge-litert {version('ai-edge-litert')}"

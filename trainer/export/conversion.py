"""Converts a network to TFLite, with operations that every device's runtime has."""

import tempfile
from typing import Literal, get_args

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from mien.errors import TrainingError
from mien.model.model_card import INPUT_SHAPE

Quantization = Literal["int8", "float16", "float32"]
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
BYTES_PER_PARAMETER = {"int8": 1, "float16": 2, "float32": 4}
UNSUPPORTED_OPERATIONS = (
    "ASSIGN_VARIABLE", "CALL_ONCE", "CUSTOM", "READ_VARIABLE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "VAR_HANDLE", "WHILE",
)  # fmt: skip
"""Operations that devices' runtimes lack, or that carry state from one image to the next."""


def convert(
    model: keras.Model, quantization: Quantization = "float32", images: NDArray[np.float32] | None = None
) -> bytes:
    """A network as a `.tflite` without a card; int8 needs `images`, network inputs to measure activation ranges on.

    TrainingError if the network needs more than built-in operations or keeps state.
    """
    if keras.backend.backend() != "tensorflow":
        raise TrainingError("export needs Keras on TensorFlow: unset KERAS_BACKEND (the model file works with both)")
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda image: model(image, training=False),
        input_signature=[tf.TensorSpec(INPUT_SHAPE, tf.float32)],
    )
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if quantization != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantization == "int8" and images is not None:
            converter.representative_dataset = lambda: ([image[np.newaxis]] for image in images)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        try:
            weights = bytes(converter.convert())
        except tf.lite.python.convert_phase.ConverterError as error:
            raise TrainingError("the network needs operations that devices do not support: unroll its LSTMs") from error
    unsupported = sorted(set(operation_names(weights)) & set(UNSUPPORTED_OPERATIONS))
    if unsupported:
        raise TrainingError(
            f"the network needs {', '.join(unsupported)}, which devices do not support: unroll its LSTMs"
        )
    return weights


def operation_names(weights: bytes) -> list[str]:
    """The operations of a `.tflite` file, in order."""
    interpreter = Interpreter(
        model_content=weights, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    return [operation["op_name"] for operation in interpreter._get_ops_details()]

"""Turns a trained network into one full-int8 `.tflite` file with its card, and refuses a conversion that went wrong."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from mien.card import INPUT_SHAPE, Card, Evaluation, append_card
from mien.classifier import Classifier
from mien.errors import TrainingError
from mien.preprocessing import PREPROCESSING

from .batches import network_input
from .dataset import Dataset
from .evaluation import Report, evaluate, load_predictor, predict_with_keras
from .whole_file import written_whole

CALIBRATION_PICTURES = 500
ALIEN_OPS = (
    "ASSIGN_VARIABLE", "CALL_ONCE", "CUSTOM", "READ_VARIABLE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "VAR_HANDLE", "WHILE",
)  # fmt: skip
"""Operations that no device's runtime has, or that keep one picture's state for the next."""
LEAST_AGREEMENT = 0.97
"""Of int8 with Keras on the first answer; a sound conversion of these networks gives 0.99 or more."""


def export(
    model: keras.Model, out: Path, *, recipe: dict[str, Any], training: Dataset, test: Dataset, usage: str, seed: int
) -> tuple[Report, float]:
    """Quantise, check, score and write a model; its report on `test`, and its agreement with Keras there.

    `training` gives the pictures that the ranges of the activations are measured on. TrainingError names what is
    wrong with a conversion; nothing is written then.
    """
    convert(model)  # an LSTM that is not unrolled makes the int8 converter crash; this one refuses it with a reason
    weights = convert(model, _calibration(training, seed))
    _check_size(weights, model)
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder) / out.name
        unscored = Evaluation(data=test.name, usage=usage, count=0, accuracy=0.0, macro_f1=0.0, per_class={})
        candidate.write_bytes(append_card(weights, _card(model, weights, recipe, training, unscored)))
        _check_behaviour(Classifier(candidate), test)
        predict, runtime = load_predictor(candidate)
        scores = predict(test.pictures)
        report = evaluate(lambda _: scores, runtime, model=out.name, data=test, usage=usage)
        keras_scores = predict_with_keras(model)[0](test.pictures)
        agreement = float((scores.argmax(axis=1) == keras_scores.argmax(axis=1)).mean())
    if agreement < LEAST_AGREEMENT:
        raise TrainingError(f"int8 agrees with Keras on {agreement:.1%} of answers only: calibrate with other pictures")
    with written_whole(out) as part:
        part.write_bytes(append_card(weights, _card(model, weights, recipe, training, report.for_card())))
    return report, agreement


def convert(model: keras.Model, calibration: NDArray[np.float32] | None = None) -> bytes:
    """A bare `.tflite` of a network: float32, or full int8 where `calibration` gives network inputs to measure on.

    TrainingError if the network needs more than built-in operations or keeps state.
    """
    if keras.backend.backend() != "tensorflow":
        raise TrainingError("export needs Keras on TensorFlow: unset KERAS_BACKEND (the model's file serves both)")
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda picture: model(picture, training=False),
        input_signature=[tf.TensorSpec(INPUT_SHAPE, tf.float32)],
    )
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([picture[np.newaxis]] for picture in calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        try:
            weights = bytes(converter.convert())
        except tf.lite.python.convert_phase.ConverterError as error:
            raise TrainingError("the network needs operations that devices do not run: unroll its LSTMs") from error
    alien = sorted(set(operation_names(weights)) & set(ALIEN_OPS))
    if alien:
        raise TrainingError(f"the network needs {', '.join(alien)}, which devices do not run: unroll its LSTMs")
    return weights


def _calibration(training: Dataset, seed: int) -> NDArray[np.float32]:
    count = min(CALIBRATION_PICTURES, len(training))
    chosen = np.random.default_rng(seed).choice(len(training), count, replace=False)
    return network_input(training.pictures[np.sort(chosen)])


def _check_size(weights: bytes, model: keras.Model) -> None:
    parameters = model.count_params()
    if not 0.9 * parameters < len(weights) < 1.3 * parameters + 100_000:
        raise TrainingError(
            f"the int8 file has {len(weights)} bytes for {parameters} parameters: the weights were not all quantised"
        )


def _check_behaviour(classifier: Classifier, test: Dataset) -> None:
    first, other = test.pictures[0], test.pictures[1]
    before = classifier(first)
    if not np.isfinite(before).all():
        raise TrainingError("the converted model answers NaN: convert from a saved model, not from a function")
    classifier(other)
    if not np.array_equal(classifier(first), before):
        raise TrainingError("the converted model remembers earlier pictures: keep the LSTM unrolled")


def operation_names(weights: bytes) -> list[str]:
    """The operations of a `.tflite` file, in order."""
    interpreter = Interpreter(
        model_content=weights, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    return [operation["op_name"] for operation in interpreter._get_ops_details()]


def _card(model: keras.Model, weights: bytes, recipe: dict[str, Any], training: Dataset, scores: Evaluation) -> Card:
    labels = "half its labels, half FER+ votes" if recipe.get("labels") == "mix" else "its own labels"
    return Card(
        network=model.name,
        parameters=model.count_params(),
        preprocessing=PREPROCESSING,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        quantisation="int8 weights and activations, int8 input and output",
        training_data=f"{len(training)} Training pictures of {training.name}, {labels}",
        recipe=recipe,
        evaluation=scores,
    )

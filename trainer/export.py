"""Turns a trained network into one `.tflite` file with its card, and refuses a conversion that went wrong."""

import hashlib
import tempfile
from pathlib import Path
from typing import Literal, get_args

import keras
import msgspec
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from msgspec import Struct
from numpy.typing import NDArray

from mien.card import INPUT_SHAPE, Card, Evaluation, append_card
from mien.classifier import Classifier
from mien.emotions import EMOTIONS
from mien.errors import TrainingError
from mien.preprocessing import PREPROCESSING

from .batches import network_input
from .dataset import Dataset
from .evaluation import Report, evaluate, predict_with_keras
from .settings import Recipe
from .whole_file import written_whole

Quantisation = Literal["int8", "float16", "float32"]
QUANTISATIONS: tuple[Quantisation, ...] = get_args(Quantisation)
WORDS = {
    "int8": "int8 weights and activations, int8 input and output",
    "float16": "float16 weights, float32 activations",
    "float32": "none: float32",
}
BYTES = {"int8": 1, "float16": 2, "float32": 4}
"""Of one parameter."""
CALIBRATION_PICTURES = 500
ALIEN_OPS = (
    "ASSIGN_VARIABLE", "CALL_ONCE", "CUSTOM", "READ_VARIABLE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "VAR_HANDLE", "WHILE",
)  # fmt: skip
"""Operations that no device's runtime has, or that keep one picture's state for the next."""
BYTES_OF_OPERATION = 500
"""At most, besides its weights: an unrolled LSTM over many steps has thousands."""
LEAST_AGREEMENT = 0.97
"""With Keras on the first answer; a sound conversion of these networks gives 0.98 or more."""
MOST_DROP = 0.005
"""Of accuracy; more, and the ranges of the activations are measured again on as many pictures of each emotion."""


class Change(Struct, frozen=True, kw_only=True):
    """What a conversion changes, on pictures held out; fractions."""

    agreement: float
    """How often the file and Keras give the same first answer."""
    drop: float
    """Of accuracy, from Keras to the file; negative where the file is better."""
    drop_per_class: dict[str, float]
    """Of each emotion's recall."""


class Exported(Struct, frozen=True, kw_only=True):
    """What an export came to."""

    report: Report
    """Of the file, on the split that only reports."""
    change: Change


def export(
    model: keras.Model,
    out: Path,
    *,
    quantisation: Quantisation,
    recipe: Recipe,
    calibration: str,
    training: Dataset,
    learned: Dataset,
    held_out: Dataset,
    test: Dataset,
) -> Exported:
    """Convert, check, score and write a model.

    `learned` are the pictures of `training` that it learned from; on some of them the ranges of the activations are
    measured, and what they cost is judged on `held_out`; `test` only reports. `calibration` are the card's words on
    confidence. TrainingError names what is wrong with a conversion; nothing is written then.
    """
    convert(model)  # an LSTM that is not unrolled makes the int8 converter crash; this one refuses it with a reason
    expected = predict_with_keras(model)[0](held_out.pictures)
    weights, change = _candidate(model, quantisation, _some(learned, recipe.seed), held_out, expected)
    if quantisation == "int8" and change.drop > MOST_DROP:
        balanced = _candidate(model, quantisation, _balanced(learned, recipe.seed), held_out, expected)
        weights, change = min((weights, change), balanced, key=lambda candidate: candidate[1].drop)
    if change.agreement < LEAST_AGREEMENT:
        raise TrainingError(
            f"{quantisation} agrees with Keras on {change.agreement:.1%} of answers only: train longer, or export "
            "with --quantisation float16"
        )
    scores, runtime = _answers(model, weights, test)
    report = evaluate(scores, model=out.name, runtime=runtime, data=test, training=training)
    card = _card(model, weights, WORDS[quantisation], recipe, calibration, learned, report.for_card())
    with written_whole(out) as part:
        part.write_bytes(append_card(weights, card))
    return Exported(report=report, change=change)


def _candidate(
    model: keras.Model,
    quantisation: Quantisation,
    pictures: NDArray[np.float32],
    held_out: Dataset,
    expected: NDArray[np.float32],
) -> tuple[bytes, Change]:
    """The weights of one conversion, checked, and what it changes on `held_out`, where Keras scores `expected`."""
    weights = convert(model, quantisation, pictures)
    _check_size(weights, model, BYTES[quantisation])
    scores, _ = _answers(model, weights, held_out)
    before, after = (evaluate(each, model="", runtime="", data=held_out) for each in (expected, scores))
    return weights, Change(
        agreement=float((scores.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        drop=round(before.accuracy - after.accuracy, 4),
        drop_per_class={
            emotion: round(before.per_class[emotion].recall - after.per_class[emotion].recall, 4)
            for emotion in EMOTIONS
        },
    )


def _answers(model: keras.Model, weights: bytes, data: Dataset) -> tuple[NDArray[np.float32], str]:
    """The real runtime's scores, and its name. TrainingError if they are no numbers or depend on what came before."""
    unscored = Evaluation(data=data.name, usage="", count=0, accuracy=0.0, macro_f1=0.0, per_class={})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "candidate.tflite"
        file.write_bytes(append_card(weights, _card(model, weights, "", Recipe(), "", data, unscored)))
        classifier = Classifier(file)
    scores = np.stack([classifier(picture) for picture in data.pictures])
    if not np.isfinite(scores).all():
        raise TrainingError("the converted model answers NaN: convert from a saved model, not from a function")
    if not np.array_equal(classifier(data.pictures[0]), scores[0]):
        raise TrainingError("the converted model remembers earlier pictures: keep the LSTM unrolled")
    return scores, classifier.runtime


def convert(
    model: keras.Model, quantisation: Quantisation = "float32", pictures: NDArray[np.float32] | None = None
) -> bytes:
    """A bare `.tflite` of a network; int8 needs `pictures`, network inputs to measure the activations' ranges on.

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
        if quantisation != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantisation == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantisation == "int8" and pictures is not None:
            converter.representative_dataset = lambda: ([picture[np.newaxis]] for picture in pictures)
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


def _some(learned: Dataset, seed: int) -> NDArray[np.float32]:
    count = min(CALIBRATION_PICTURES, len(learned))
    chosen = np.random.default_rng(seed).choice(len(learned), count, replace=False)
    return network_input(learned.pictures[np.sort(chosen)])


def _balanced(learned: Dataset, seed: int) -> NDArray[np.float32]:
    """As many pictures of each emotion."""
    random = np.random.default_rng(seed)
    each = 2 * CALIBRATION_PICTURES // len(EMOTIONS)
    places = [random.permutation(np.flatnonzero(learned.labels == label))[:each] for label in range(len(EMOTIONS))]
    return network_input(learned.pictures[np.sort(np.concatenate(places))])


def _check_size(weights: bytes, model: keras.Model, bytes_each: int) -> None:
    expected = model.count_params() * bytes_each
    most = 1.3 * expected + 150_000 + BYTES_OF_OPERATION * len(operation_names(weights))
    if not 0.9 * expected < len(weights) < most:
        raise TrainingError(
            f"the file has {len(weights)} bytes for {model.count_params()} parameters of {bytes_each}: the weights "
            "were not all converted"
        )


def operation_names(weights: bytes) -> list[str]:
    """The operations of a `.tflite` file, in order."""
    interpreter = Interpreter(
        model_content=weights, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    return [operation["op_name"] for operation in interpreter._get_ops_details()]


def _card(
    model: keras.Model,
    weights: bytes,
    quantisation: str,
    recipe: Recipe,
    calibration: str,
    learned: Dataset,
    scores: Evaluation,
) -> Card:
    labels = {"fer": "its own labels", "ferplus": "FER+'s votes", "mix": "half its labels, half FER+'s votes"}
    return Card(
        network=model.name,
        parameters=model.count_params(),
        preprocessing=PREPROCESSING,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        quantisation=quantisation,
        training_data=f"{len(learned)} of the Training pictures of {learned.name}, {labels[recipe.labels]}",
        recipe=msgspec.to_builtins(recipe),
        calibration=calibration,
        evaluation=scores,
    )

"""Exports a trained network as one `.tflite` file with its card, and refuses a faulty conversion."""

from pathlib import Path

import keras
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import TrainingError
from mien.model.model_card import append_model_card
from mien.trainer.data.batches import to_network_input
from mien.trainer.data.dataset import Dataset
from mien.trainer.evaluation.evaluation import EvaluationReport, evaluate, keras_predictor
from mien.trainer.evaluation.threshold import ThresholdImages
from mien.trainer.output_file import output_file
from mien.trainer.recipe import Recipe

from .checks import check_size, score_with_runtime
from .conversion import Quantization, convert
from .model_card import build_model_card

QUANTIZATION_DESCRIPTIONS = {
    "int8": "int8 weights and activations, int8 input and output",
    "float16": "float16 weights, float32 activations",
    "float32": "none: float32",
}
CALIBRATION_IMAGE_COUNT = 500
MIN_AGREEMENT = 0.97
"""With Keras on the prediction; sound conversions of these networks reach 0.98 or more."""
MAX_ACCURACY_DROP = 0.005
"""With a larger drop, the activation ranges are measured again on equally many images of each emotion."""


class ConversionLoss(Struct, frozen=True, kw_only=True):
    """What a conversion loses on held-out images; all values are fractions."""

    agreement: float
    """How often the file and Keras make the same prediction."""
    accuracy_drop: float
    """From Keras to the file; negative if the file is better."""
    recall_drops: dict[str, float]
    """By emotion."""


class ExportResult(Struct, frozen=True, kw_only=True):
    """The result of an export."""

    evaluation: EvaluationReport
    """Of the file, on the test split, which influences nothing."""
    loss: ConversionLoss


def export(
    model: keras.Model,
    output: Path,
    *,
    quantization: Quantization,
    recipe: Recipe,
    calibration: str,
    training: Dataset,
    train_set: Dataset,
    held_out: Dataset,
    test_set: Dataset,
) -> ExportResult:
    """Convert, check, evaluate and write a model.

    `train_set` are the images of `training` that the model learned from; the activation ranges are measured on some
    of them, the loss and the confidence threshold on `held_out`; `test_set` is only reported. `calibration` is the
    card's statement on confidence. TrainingError says what is wrong with a conversion; nothing is written then.
    """
    convert(model)  # the int8 converter crashes on an LSTM that is not unrolled; this one refuses it with a reason
    keras_scores = keras_predictor(model)[0](held_out.images)
    calibration_images = _draw_images(train_set, recipe.seed)
    weights, loss = _convert_and_check(model, quantization, calibration_images, held_out, keras_scores)
    if quantization == "int8" and loss.accuracy_drop > MAX_ACCURACY_DROP:
        calibration_images = _draw_balanced_images(train_set, recipe.seed)
        balanced = _convert_and_check(model, quantization, calibration_images, held_out, keras_scores)
        weights, loss = min((weights, loss), balanced, key=lambda candidate: candidate[1].accuracy_drop)
    if loss.agreement < MIN_AGREEMENT:
        raise TrainingError(
            f"{quantization} agrees with Keras on only {loss.agreement:.1%} of predictions: train longer, or export "
            "with --quantization float16"
        )
    scores, runtime = score_with_runtime(model, weights, test_set)
    evaluation = evaluate(scores, model=output.name, runtime=runtime, data=test_set, training=training)
    threshold_images = ThresholdImages(held_out, recipe.labels)
    threshold_scores, _ = score_with_runtime(model, weights, threshold_images.images)
    card = build_model_card(
        model,
        weights,
        quantization=QUANTIZATION_DESCRIPTIONS[quantization],
        recipe=recipe,
        calibration=calibration,
        train_set=train_set,
        evaluation=evaluation.to_card(),
        threshold=threshold_images.choose(threshold_scores),
    )
    with output_file(output) as part:
        part.write_bytes(append_model_card(weights, card))
    return ExportResult(evaluation=evaluation, loss=loss)


def _convert_and_check(
    model: keras.Model,
    quantization: Quantization,
    calibration_images: NDArray[np.float32],
    held_out: Dataset,
    keras_scores: NDArray[np.float32],
) -> tuple[bytes, ConversionLoss]:
    """The weights of one conversion, checked, and its loss on `held_out`, for which Keras predicts `keras_scores`."""
    weights = convert(model, quantization, calibration_images)
    check_size(weights, model, quantization)
    scores, _ = score_with_runtime(model, weights, held_out)
    before, after = (evaluate(scored, model="", runtime="", data=held_out) for scored in (keras_scores, scores))
    return weights, ConversionLoss(
        agreement=float((scores.argmax(axis=1) == keras_scores.argmax(axis=1)).mean()),
        accuracy_drop=round(before.accuracy - after.accuracy, 4),
        recall_drops={
            emotion: round(before.per_emotion[emotion].recall - after.per_emotion[emotion].recall, 4)
            for emotion in EMOTIONS
        },
    )


def _draw_images(train_set: Dataset, seed: int) -> NDArray[np.float32]:
    count = min(CALIBRATION_IMAGE_COUNT, len(train_set))
    indices = np.random.default_rng(seed).choice(len(train_set), count, replace=False)
    return to_network_input(train_set.images[np.sort(indices)])


def _draw_balanced_images(train_set: Dataset, seed: int) -> NDArray[np.float32]:
    """Equally many images of each emotion."""
    random = np.random.default_rng(seed)
    count = 2 * CALIBRATION_IMAGE_COUNT // len(EMOTIONS)
    indices = [random.permutation(np.flatnonzero(train_set.labels == label))[:count] for label in range(len(EMOTIONS))]
    return to_network_input(train_set.images[np.sort(np.concatenate(indices))])

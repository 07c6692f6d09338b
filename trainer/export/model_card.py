"""Builds the model card of an exported network."""

import hashlib

import keras
import msgspec

from mien.model.model_card import ConfidenceThreshold, Evaluation, ModelCard
from mien.model.preprocessing import PREPROCESSING_ID
from mien.trainer.data.dataset import Dataset
from mien.trainer.recipe import LabelSource, Recipe

LABELS_DESCRIPTIONS: dict[LabelSource, str] = {
    "fer": "its own labels",
    "ferplus": "FER+'s votes",
    "mix": "half its labels, half FER+'s votes",
}


def build_model_card(
    model: keras.Model,
    weights: bytes,
    *,
    quantization: str,
    recipe: Recipe,
    calibration: str,
    train_set: Dataset,
    evaluation: Evaluation,
    threshold: ConfidenceThreshold | None = None,
) -> ModelCard:
    """The card of `weights`, converted from `model`; `quantization` and `calibration` are descriptions."""
    return ModelCard(
        network=model.name,
        parameters=model.count_params(),
        preprocessing=PREPROCESSING_ID,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        quantization=quantization,
        training_data=(
            f"{len(train_set)} of the Training images of {train_set.name}, {LABELS_DESCRIPTIONS[recipe.labels]}"
        ),
        recipe=msgspec.to_builtins(recipe),
        calibration=calibration,
        threshold=threshold,
        evaluation=evaluation,
    )

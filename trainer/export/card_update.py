"""Measures a finished model file again and writes the result on its card; the weights stay as they are."""

from pathlib import Path

import msgspec

from mien.errors import DataError, ModelError
from mien.model.model_card import ModelCard, append_model_card, bare_weights, read_model
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.split import split_held_out
from mien.trainer.evaluation.evaluation import evaluate, load_predictor
from mien.trainer.evaluation.threshold import ThresholdImages
from mien.trainer.output_file import output_file
from mien.trainer.recipe import Recipe


def update_card(file: Path, output: Path, images: Dataset) -> ModelCard:
    """Write the same weights with a new card: its evaluation on the test split of `images`, and its threshold.

    The threshold is chosen on the held-out Training images, as an export does. `output` may be `file` itself.
    ModelError if the file cannot be read, DataError if `images` are not those that the model was trained on.
    """
    model, card = read_model(file)
    try:
        recipe = msgspec.convert(card.recipe, Recipe)
    except msgspec.ValidationError as error:
        raise ModelError(
            f"{file} has a recipe of another release ({error}): export the model again with `mien model export`"
        ) from error
    train_set, held_out = split_held_out(images, seed=recipe.seed)
    if not card.training_data.startswith(f"{len(train_set)} of the Training images"):
        raise DataError(
            f"{file} was trained on {card.training_data}, and {images.name} has {len(train_set)} to train on: "
            "give the same --data and --ferplus again"
        )
    predict, runtime = load_predictor(file)
    test_set = images.split(images.test_split())
    evaluation = evaluate(
        predict(test_set.images), model=file.name, runtime=runtime, data=test_set, training=images.split("Training")
    )
    threshold_images = ThresholdImages(held_out, recipe.labels)
    card = msgspec.structs.replace(
        card,
        evaluation=evaluation.to_card(),
        threshold=threshold_images.choose(predict(threshold_images.images.images)),
    )
    with output_file(output) as part:
        part.write_bytes(append_model_card(bare_weights(model), card))
    return card

"""Loads a trained network and predicts with it."""

import zipfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import ModelError
from mien.model.model_card import INPUT_SHAPE

BATCH_SIZE_PER_DEVICE = 256


def load_keras_model(path: Path) -> keras.Model:
    """A trained network. ModelError if the file is missing, broken or has other inputs or outputs."""
    try:
        model = keras.models.load_model(path)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path} is not a Keras model ({problem}): train one with `mien train`") from error
    shapes = model.input_shape, model.output_shape
    if shapes != ((None, *INPUT_SHAPE[1:]), (None, len(EMOTIONS))):
        raise ModelError(
            f"{path} maps {shapes[0]} to {shapes[1]}, not a gray 48x48 image to seven scores: train another model"
        )
    return model


def predict_scores(model: keras.Model, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """(count, 7) scores for (count, 48, 48, 1) network inputs.

    Pads the inputs to full batches internally, because devices that share a batch need equal parts.
    """
    batch_size = BATCH_SIZE_PER_DEVICE * len(keras.distribution.list_devices())
    padding = np.zeros((-len(inputs) % batch_size, *inputs.shape[1:]), np.float32)
    padded = np.concatenate([inputs, padding])
    return np.asarray(model.predict(padded, batch_size=batch_size, verbose=0), np.float32)[: len(inputs)]

"""Opens and asks a trained network."""

import zipfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from mien.card import INPUT_SHAPE
from mien.emotions import EMOTIONS
from mien.errors import ModelError

PICTURES_PER_DEVICE = 256


def load_keras_model(path: Path) -> keras.Model:
    """A trained network. ModelError if the file is missing, broken or of another form."""
    try:
        model = keras.models.load_model(path)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path} is not a Keras model ({problem}): train one with `mien train`") from error
    shapes = model.input_shape, model.output_shape
    if shapes != ((None, *INPUT_SHAPE[1:]), (None, len(EMOTIONS))):
        raise ModelError(
            f"{path} maps {shapes[0]} to {shapes[1]}, not a grey 48x48 picture to seven scores: train anew"
        )
    return model


def scores_of(model: keras.Model, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """(count, 7) scores for (count, 48, 48, 1) network inputs.

    Filled up to whole batches meanwhile: devices that share one must all get as much.
    """
    batch_size = PICTURES_PER_DEVICE * len(keras.distribution.list_devices())
    lacking = -len(inputs) % batch_size
    filled = np.concatenate([inputs, np.zeros((lacking, *inputs.shape[1:]), np.float32)])
    return np.asarray(model.predict(filled, batch_size=batch_size, verbose=0), np.float32)[: len(inputs)]

"""Opens a trained network's file."""

from pathlib import Path

import keras

from mien.errors import ModelError


def load_keras_model(path: Path) -> keras.Model:
    """A trained network. ModelError if the file is missing or broken."""
    try:
        return keras.models.load_model(path)
    except (ValueError, OSError, KeyError) as error:
        problem = str(error).splitlines()[0]
        raise ModelError(f"{path} is not a Keras model ({problem}): train one with `mien train`") from error

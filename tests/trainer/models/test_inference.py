from pathlib import Path

import keras
import pytest

from mien.errors import ModelError
from mien.trainer.models.inference import load_keras_model

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize(("shape", "classes"), [((64, 64, 1), 7), ((48, 48, 1), 8)])
def test_a_network_with_other_inputs_or_outputs_is_refused(
    tmp_path: Path, shape: tuple[int, ...], classes: int
) -> None:
    image = keras.Input(shape)
    vector = keras.layers.Flatten()(image)
    keras.Model(image, keras.layers.Dense(classes)(vector)).save(tmp_path / "other.keras")
    with pytest.raises(ModelError, match="not a gray 48x48 image to seven scores"):
        load_keras_model(tmp_path / "other.keras")

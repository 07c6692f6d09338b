from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.cli import main
from mien.errors import ModelError, UsageError
from mien.trainer.evaluation.calibration import fold_temperature
from mien.trainer.export.conversion import UNSUPPORTED_OPERATIONS, convert, operation_names
from mien.trainer.models.blocks import LOGITS_LAYER
from mien.trainer.models.inference import load_keras_model, predict_scores
from mien.trainer.models.networks import HERO_DEPTHS, NETWORKS
from mien.trainer.recipe import NetworkName

pytestmark = pytest.mark.timeout(1200)


def random_inputs(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(0, 255, (count, 48, 48, 1)).astype(np.float32)


def test_a_recipe_can_name_every_network() -> None:
    assert tuple(NETWORKS) == get_args(NetworkName)
    assert [f"hero-{depth}" for depth in HERO_DEPTHS] == [name for name in NETWORKS if name.startswith("hero-")]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_maps_the_device_s_images_to_seven_scores(name: NetworkName) -> None:
    network = NETWORKS[name]()
    assert (network.name, network.input_shape, network.output_shape) == (name, (None, 48, 48, 1), (None, 7))
    assert network.predict(random_inputs(2), verbose=0).sum(axis=1) == pytest.approx([1.0, 1.0], abs=1e-5)


@pytest.mark.parametrize(
    "name", ["cnn", "cnn-bilstm-residual", "cnn-residual-32", "bilstm", "gabor-cnn", "efficientnet-lite0", "hero"]
)
def test_a_network_converts_to_int8_with_operations_that_devices_support(name: NetworkName) -> None:
    """test_export covers the CNN-BiLSTM."""
    operations = operation_names(convert(NETWORKS[name](), "int8", random_inputs(8)))
    assert "FULLY_CONNECTED" in operations
    assert not set(operations) & set(UNSUPPORTED_OPERATIONS)


def test_cnn_same_size_has_the_size_of_the_cnn_bilstm() -> None:
    parameters = NETWORKS["cnn-same-size"]().count_params()
    assert parameters == pytest.approx(NETWORKS["cnn-bilstm"]().count_params(), rel=0.02)


def test_the_cnn_bilstm_has_the_paper_s_layers_and_our_size() -> None:
    network = NETWORKS["cnn-bilstm"]()
    assert 1.0e6 < network.count_params() < 1.1e6
    layer_types = [type(layer).__name__ for layer in network.layers]
    for layer_type in ("Conv2D", "BatchNormalization", "Dropout", "Bidirectional", "Softmax"):
        assert layer_type in layer_types


@pytest.mark.parametrize("name", ["cnn", "hero"])
def test_a_temperature_divides_the_logits(name: NetworkName) -> None:
    network = NETWORKS[name]()
    inputs = random_inputs(3)
    divided_logits = np.log(network.predict(inputs, verbose=0)) / 2.5
    fold_temperature(network, 2.5)
    expected = np.exp(divided_logits) / np.exp(divided_logits).sum(axis=1, keepdims=True)
    assert network.predict(inputs, verbose=0) == pytest.approx(expected, abs=1e-5)
    assert LOGITS_LAYER in {layer.name for layer in network._flatten_layers()}


def test_an_ensemble_predicts_the_mean_of_its_members_logits_and_can_be_a_member(tmp_path: Path) -> None:
    inputs = random_inputs(3)
    files, logits = [], []
    for number in range(2):
        network = NETWORKS["hero-1"]()
        files.append(tmp_path / f"{number}.keras")
        network.save(files[-1])
        logits += [np.log(network.predict(view, verbose=0)) for view in (inputs, inputs[:, :, ::-1])]
    command = ["model", "ensemble"]
    for output, member_logits, options in (
        ("plain.keras", logits[::2], []),
        ("mirrored.keras", logits, ["--mirrored"]),
    ):
        assert main([*command, *map(str, files), "--output", str(tmp_path / output), *options]) == 0
        expected = np.exp(np.mean(member_logits, axis=0))
        expected /= expected.sum(axis=1, keepdims=True)
        assert predict_scores(load_keras_model(tmp_path / output), inputs) == pytest.approx(expected, abs=1e-5)
    nested = str(tmp_path / "nested.keras")
    assert main([*command, str(tmp_path / "plain.keras"), str(files[0]), "--output", nested]) == 0
    assert load_keras_model(Path(nested)).count_params() == 3 * NETWORKS["hero-1"]().count_params()
    missing = str(tmp_path / "missing.keras")
    assert main([*command, str(files[0]), missing, "--output", nested]) == ModelError.exit_code
    assert main([*command, str(files[0]), "--output", str(tmp_path / "ensemble.h5")]) == UsageError.exit_code

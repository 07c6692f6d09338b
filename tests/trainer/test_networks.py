import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from mien.trainer.calibration import fold_temperature
from mien.trainer.export import ALIEN_OPS, convert, operation_names
from mien.trainer.networks import LOGITS, NETWORKS

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_the_device_s_pictures_and_answers_seven_scores(name: str) -> None:
    network = NETWORKS[name]()
    assert (network.name, network.input_shape, network.output_shape) == (name, (None, 48, 48, 1), (None, 7))
    pictures = np.random.default_rng(1).uniform(0, 255, (2, 48, 48, 1)).astype(np.float32)
    assert network.predict(pictures, verbose=0).sum(axis=1) == pytest.approx([1.0, 1.0], abs=1e-5)


@pytest.mark.parametrize("name", ["cnn", "bilstm", "hero"])
def test_a_network_becomes_int8_with_operations_that_devices_run(name: str) -> None:
    """The CNN-BiLSTM goes the whole way in test_export."""
    pictures = np.random.default_rng(1).uniform(0, 255, (8, 48, 48, 1)).astype(np.float32)
    operations = operation_names(convert(NETWORKS[name](), "int8", pictures))
    assert "FULLY_CONNECTED" in operations
    assert not set(operations) & set(ALIEN_OPS)


def test_the_cnn_to_compare_with_is_of_the_same_size() -> None:
    compared = NETWORKS["cnn-same-size"]().count_params()
    assert compared == pytest.approx(NETWORKS["cnn-bilstm"]().count_params(), rel=0.02)


def test_the_cnn_bilstm_is_the_paper_s_in_kind_and_ours_in_size() -> None:
    network = NETWORKS["cnn-bilstm"]()
    assert 1.0e6 < network.count_params() < 1.1e6
    kinds = [type(layer).__name__ for layer in network.layers]
    for kind in ("Conv2D", "BatchNormalization", "Dropout", "Bidirectional", "Softmax"):
        assert kind in kinds


@pytest.mark.parametrize("name", ["cnn", "hero"])
def test_a_temperature_divides_the_logits(name: str) -> None:
    network = NETWORKS[name]()
    pictures = np.random.default_rng(1).uniform(0, 255, (3, 48, 48, 1)).astype(np.float32)
    before = np.log(network.predict(pictures, verbose=0)) / 2.5
    fold_temperature(network, 2.5)
    expected = np.exp(before) / np.exp(before).sum(axis=1, keepdims=True)
    assert network.predict(pictures, verbose=0) == pytest.approx(expected, abs=1e-5)
    assert LOGITS in {layer.name for layer in network._flatten_layers()}


def test_weights_trained_on_jax_answer_the_same_on_tensorflow(tmp_path: Path) -> None:
    """Two devices of JAX share each batch here, as two GPUs would."""
    pytest.importorskip("jax", reason="jax is not installed: pip install jax")
    code = """
import json, sys
import numpy as np
from mien.trainer.accelerators import share_the_work
shared = share_the_work()
import keras
from mien.trainer.networks import cnn_bilstm
network = cnn_bilstm()
network.compile("adam", "categorical_crossentropy")
pictures = np.random.default_rng(1).uniform(0, 255, (8, 48, 48, 1)).astype(np.float32)
network.fit(pictures, np.eye(7, dtype=np.float32)[np.arange(8) % 7], batch_size=8, verbose=0)
network.save(sys.argv[1])
print(json.dumps({"devices": shared, "scores": network.predict(pictures, verbose=0).tolist()}))
"""
    environment = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PATH": ""}
    file = tmp_path / "trained.keras"
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=True,
        text=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["devices"] == 2
    pictures = np.random.default_rng(1).uniform(0, 255, (8, 48, 48, 1)).astype(np.float32)
    assert keras.models.load_model(file).predict(pictures, verbose=0) == pytest.approx(
        np.array(told["scores"]), abs=1e-5
    )

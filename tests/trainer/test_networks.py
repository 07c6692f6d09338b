import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from mien.command import main
from mien.errors import ModelError, UsageError
from mien.trainer.calibration import fold_temperature
from mien.trainer.export import ALIEN_OPS, convert, operation_names
from mien.trainer.keras_model import load_keras_model, scores_of
from mien.trainer.networks import LOGITS, NETWORKS

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_the_device_s_pictures_and_answers_seven_scores(name: str) -> None:
    network = NETWORKS[name]()
    assert (network.name, network.input_shape, network.output_shape) == (name, (None, 48, 48, 1), (None, 7))
    pictures = np.random.default_rng(1).uniform(0, 255, (2, 48, 48, 1)).astype(np.float32)
    assert network.predict(pictures, verbose=0).sum(axis=1) == pytest.approx([1.0, 1.0], abs=1e-5)


@pytest.mark.parametrize("name", ["cnn", "cnn-residual-32", "bilstm", "hero"])
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


def test_fused_networks_answer_with_the_mean_of_their_logits_and_are_a_network_again(tmp_path: Path) -> None:
    pictures = np.random.default_rng(1).uniform(0, 255, (3, 48, 48, 1)).astype(np.float32)
    files, logits = [], []
    for number in range(2):
        network = NETWORKS["hero-1"]()
        files.append(tmp_path / f"{number}.keras")
        network.save(files[-1])
        logits += [np.log(network.predict(seen, verbose=0)) for seen in (pictures, pictures[:, :, ::-1])]
    for out, parts, options in (("plain.keras", logits[::2], []), ("mirrored.keras", logits, ["--mirrored"])):
        assert main(["fuse", *map(str, files), "--out", str(tmp_path / out), *options]) == 0
        expected = np.exp(np.mean(parts, axis=0))
        expected /= expected.sum(axis=1, keepdims=True)
        assert scores_of(load_keras_model(tmp_path / out), pictures) == pytest.approx(expected, abs=1e-5)
    again = str(tmp_path / "again.keras")
    assert main(["fuse", str(tmp_path / "plain.keras"), str(files[0]), "--out", again]) == 0
    assert load_keras_model(Path(again)).count_params() == 3 * NETWORKS["hero-1"]().count_params()
    assert main(["fuse", str(files[0]), str(tmp_path / "nothing.keras"), "--out", again]) == ModelError.exit_code
    assert main(["fuse", str(files[0]), "--out", str(tmp_path / "fused.h5")]) == UsageError.exit_code


def test_a_run_on_two_devices_of_jax_leaves_a_model_that_answers_the_same_on_tensorflow(
    tmp_path: Path, csv_file: Path
) -> None:
    """Two devices of JAX share each batch here, as two GPUs would."""
    pytest.importorskip("jax", reason="jax is not installed: pip install jax")
    code = """
import sys, keras, numpy
from mien.command import main
done = main(sys.argv[2:])
from mien.trainer.keras_model import load_keras_model, scores_of
numpy.save(sys.argv[1], scores_of(load_keras_model(sys.argv[4] + "/model.keras"), numpy.load(sys.argv[1])))
sys.exit(done)
"""
    pictures = np.random.default_rng(1).uniform(0, 255, (5, 48, 48, 1)).astype(np.float32)
    np.save(tmp_path / "scores.npy", pictures)
    run = tmp_path / "jax"
    flags = ["--run", str(run), "--data", str(csv_file), "--network", "cnn", "--epochs", "1", "--batch-size", "14"]
    command = [sys.executable, "-c", code, str(tmp_path / "scores.npy"), "train", *flags]
    environment = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PATH": ""}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "devices: 2" in done.stderr
    found = scores_of(load_keras_model(run / "model.keras"), pictures)
    assert found == pytest.approx(np.load(tmp_path / "scores.npy"), abs=1e-5)


@pytest.mark.parametrize(("shape", "classes"), [((64, 64, 1), 7), ((48, 48, 1), 8)])
def test_a_network_of_another_form_is_named(tmp_path: Path, shape: tuple[int, ...], classes: int) -> None:
    picture = keras.Input(shape)
    flat = keras.layers.Flatten()(picture)
    keras.Model(picture, keras.layers.Dense(classes)(flat)).save(tmp_path / "other.keras")
    with pytest.raises(ModelError, match="not a grey 48x48 picture to seven scores"):
        load_keras_model(tmp_path / "other.keras")

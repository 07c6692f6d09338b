import keras
import numpy as np
import pytest

from mien.trainer.models.growth import copy_weights
from mien.trainer.models.inference import predict_scores
from mien.trainer.models.networks import NETWORKS
from mien.trainer.recipe import NetworkName

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    """A CNN-BiLSTM whose weights are not the initial ones."""
    network = NETWORKS["cnn-bilstm"]()
    random = np.random.default_rng(1)
    network.set_weights([weight + random.uniform(0, 0.02, weight.shape) for weight in network.get_weights()])
    return network


@pytest.mark.parametrize("name", ["cnn-bilstm", "cnn-bilstm-residual"])
def test_the_same_network_and_a_grown_one_begin_with_the_predictions_of_their_source(
    trained: keras.Model, name: NetworkName
) -> None:
    inputs = np.random.default_rng(2).uniform(0, 255, (4, 48, 48, 1)).astype(np.float32)
    network = NETWORKS[name]()
    assert copy_weights(trained, network)
    assert predict_scores(network, inputs) == pytest.approx(predict_scores(trained, inputs), abs=1e-6)


def test_a_grown_network_learns_in_its_new_blocks() -> None:
    network = NETWORKS["cnn-bilstm-residual"]()
    network.compile("adam", "categorical_crossentropy")
    scale = network.get_layer("grown-6-1-norm-2").gamma
    assert not np.any(scale)
    images = np.random.default_rng(2).uniform(0, 255, (8, 48, 48, 1)).astype(np.float32)
    network.train_on_batch(images, np.eye(7, dtype=np.float32)[np.arange(8) % 7])
    assert np.any(scale)


def test_another_network_is_refused_and_nothing_is_changed(trained: keras.Model) -> None:
    for build in (NETWORKS["cnn"], NETWORKS["cnn-residual"]):
        network = build()
        weights = network.get_weights()
        assert not copy_weights(trained, network)
        assert all(map(np.array_equal, weights, network.get_weights()))

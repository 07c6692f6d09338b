from pathlib import Path

import keras
import numpy as np
import pytest

from mien.errors import ModelError
from mien.trainer.models.efficientnet_lite import efficientnet_lite0_backbone, load_efficientnet_lite
from mien.trainer.models.networks import NETWORKS
from mien.trainer.models.pretrained import load_backbone_weights

pytestmark = pytest.mark.timeout(1200)


def test_the_backbone_starts_from_the_weights_of_keras_applications(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    weights_file = tmp_path / "mobilenet.weights.h5"
    backbone = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None)
    backbone.save_weights(weights_file)
    network = NETWORKS["mobilenet-v2"]()
    load_backbone_weights(network, weights_file)
    assert all(map(np.array_equal, network.get_layer("backbone").get_weights(), backbone.get_weights()))


@pytest.mark.parametrize("network", ["mobilenet-v2", "efficientnet-lite0", "cnn"])
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, network: str) -> None:
    file = tmp_path / "other.weights.h5"
    file.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"other\.weights\.h5"):
        load_backbone_weights(NETWORKS[network](), file)  # type: ignore[index]


def test_efficientnet_lite_takes_the_tensors_of_pytorch_in_keras_s_order_of_axes() -> None:
    backbone = efficientnet_lite0_backbone(32)
    random = np.random.default_rng(1)
    tensors = {}
    for layer in backbone.layers:
        name = ".".join(part if part.isdigit() else f"_{part}" for part in layer.name.split("."))
        if isinstance(layer, keras.layers.BatchNormalization):
            for part in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"{name}.{part}"] = random.uniform(size=layer.gamma.shape).astype(np.float32)
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            height, width, channels, _ = layer.weights[0].shape
            tensors[f"{name}.weight"] = random.uniform(size=(channels, 1, height, width)).astype(np.float32)
        elif layer.weights:
            tensors[f"{name}.weight"] = random.uniform(size=layer.weights[0].shape[::-1]).astype(np.float32)
    load_efficientnet_lite(backbone, tensors, Path("lite.pth"))
    stem = backbone.get_layer("conv_stem").get_weights()[0]
    assert np.array_equal(stem[:, :, 2, 5], tensors["_conv_stem.weight"][5, 2])
    depthwise = backbone.get_layer("blocks.3.depthwise_conv").get_weights()[0]
    assert np.array_equal(depthwise[:, :, 7, 0], tensors["_blocks.3._depthwise_conv.weight"][7, 0])
    variance = backbone.get_layer("bn1").moving_variance
    assert np.array_equal(variance, tensors["_bn1.running_var"])
    with pytest.raises(ModelError, match=r"lite\.pth is not EfficientNet-Lite0 \(its _bn1 is missing"):
        load_efficientnet_lite(backbone, tensors | {"_bn1.bias": np.zeros(3, np.float32)}, Path("lite.pth"))

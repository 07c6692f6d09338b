"""Networks on backbones that others have trained on ImageNet: `backbone_weights` of a recipe names their weights.

Gray images are enlarged and repeated on three channels, as the backbones expect them. No weights are downloaded.
"""

from pathlib import Path

import keras
from keras import layers

from mien.errors import ModelError
from mien.model.preprocessing import IMAGE_SIZE_PX

from .blocks import build_classifier
from .efficientnet_lite import efficientnet_lite0_backbone, load_efficientnet_lite
from .pytorch_file import read_pytorch_file

ENLARGED_TO_PX = 96
"""Below it, the 32-fold reduction of these backbones leaves a map of one or two pixels."""
BACKBONE_LAYER = "backbone"


def mobilenet_v2() -> keras.Model:
    """MobileNetV2 (Sandler et al., CVPR 2018) of `keras.applications`. 2.3 M parameters."""
    backbone = keras.applications.MobileNetV2((ENLARGED_TO_PX, ENLARGED_TO_PX, 3), include_top=False, weights=None)
    return _build(backbone, layers.Rescaling(1 / 127.5, offset=-1), name="mobilenet-v2")


def efficientnet_b0() -> keras.Model:
    """EfficientNet-B0 (Tan and Le, ICML 2019) of `keras.applications`. 4.1 M parameters.

    The backbone scales the image itself.
    """
    backbone = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(ENLARGED_TO_PX, ENLARGED_TO_PX, 3)
    )
    return _build(backbone, None, name="efficientnet-b0")


def efficientnet_lite0() -> keras.Model:
    """EfficientNet-Lite0 (Liu et al., 2020, for TFLite: no squeeze and excitation, ReLU6). 3.4 M parameters."""
    backbone = efficientnet_lite0_backbone(ENLARGED_TO_PX)
    return _build(backbone, layers.Rescaling(1 / 128, offset=-127 / 128), name="efficientnet-lite0")


def load_backbone_weights(model: keras.Model, file: Path) -> None:
    """Set the weights of a network's backbone to those in a file; the file's classifier is left out.

    For `efficientnet-lite0` a PyTorch file, for the others Keras's `.h5` or `.weights.h5` without a top. ModelError
    if the network has no such backbone, or the file does not fit or cannot be read.
    """
    if BACKBONE_LAYER not in {layer.name for layer in model.layers}:
        raise ModelError(f"{model.name} has no backbone to load {file} into: leave --backbone-weights out")
    backbone = model.get_layer(BACKBONE_LAYER)
    if model.name == "efficientnet-lite0":
        load_efficientnet_lite(backbone, read_pytorch_file(file), file)
        return
    try:
        backbone.load_weights(file)
    except (ValueError, OSError, KeyError, TypeError) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{file} does not fit {model.name} ({problem}): give the weights of keras.applications without a top"
        ) from error


def _build(backbone: keras.Model, scaling: layers.Layer | None, *, name: str) -> keras.Model:
    image = keras.Input((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 1), name="image")
    features = layers.Resizing(ENLARGED_TO_PX, ENLARGED_TO_PX)(image)
    features = layers.Concatenate()([features, features, features])
    features = features if scaling is None else scaling(features)
    backbone.name = BACKBONE_LAYER
    return build_classifier(image, layers.GlobalAveragePooling2D()(backbone(features)), name=name)

"""An autoencoder whose encoder are a network's convolutions, to train these on images without labels."""

import keras
from keras import layers

from mien.errors import TrainingError

from .blocks import conv_block

DECODER_FILTERS = (96, 64, 32)


def build_autoencoder(network: keras.Model) -> keras.Model:
    """From a (48, 48, 1) image to its reconstruction of the same shape, standardized to mean 0 and deviation 1.

    A denoising autoencoder (Vincent et al., JMLR 2010). Its encoder are the layers of `network` itself, up to the
    ReLU of the last feature map: what the autoencoder learns, the network has. TrainingError if the network has no
    convolutions.
    """
    maps = [
        layer.output
        for layer in network.layers
        if isinstance(layer, layers.ReLU) and len(layer.output.shape) == 4  # batch, height, width, channels
    ]
    if not maps:
        raise TrainingError(
            f"{network.name} has no convolutions of its own to pretrain: leave --pretraining-epochs out"
        )
    features = maps[-1]
    for filters in DECODER_FILTERS:
        if features.shape[1] < network.input_shape[1]:
            features = layers.UpSampling2D(interpolation="bilinear")(features)
        features = conv_block(features, filters)
    if features.shape[1] != network.input_shape[1]:
        features = layers.Resizing(*network.input_shape[1:3])(features)
    image = layers.Conv2D(1, 3, padding="same", dtype="float32", name="reconstruction")(features)
    return keras.Model(network.inputs, image, name=f"{network.name}-autoencoder")

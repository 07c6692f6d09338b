"""The networks, each a small functional builder. Keras 3, any backend.

Each maps (48, 48, 1) images from `mien.model.preprocessing.preprocess`, values 0 to 255, to (7,) scores in the order
of EMOTIONS. Each ends with a dense layer `logits` and its softmax, so that a temperature can be folded into the former.
The papers leave layer sizes open or give them for larger images: the sizes here are our own.
"""

from collections.abc import Callable
from functools import partial

import keras
from keras import layers

from mien.model.preprocessing import IMAGE_SIZE_PX
from mien.trainer.recipe import NetworkName

from .blocks import (
    ATTENTION_LAYER,
    SCORES_LAYER,
    attention_pooling,
    backbone,
    bilstm_block,
    build_classifier,
    conv_block,
    input_block,
    residual_block,
    rows_to_sequence,
)
from .gabor import gabor_cnn
from .pretrained import efficientnet_b0, efficientnet_lite0, mobilenet_v2

HERO_DEPTHS = (1, 2, 3)
GROWN_LAYER = "grown"
"""The names of layers that begin as an identity begin with this."""


def cnn_bilstm() -> keras.Model:
    """Pansambal et al., "An Integrated CNN-BiLSTM Approach for Facial Expressions", in about 1.04 M parameters.

    Convolutions with batch normalization; the rows of the 6x6 feature map as a sequence of six steps; a bidirectional
    LSTM over them; attention pooling; dropout; softmax. The paper uses max pooling: strides halve the map as well, for
    a quarter of the multiplications.
    """
    units = 96
    image, features = input_block()
    features = backbone(features, width=1)
    features = conv_block(features, units, kernel_size=1)
    sequence = layers.Dropout(0.2)(rows_to_sequence(features))
    sequence = bilstm_block(sequence, units)
    return build_classifier(image, attention_pooling(sequence), name="cnn-bilstm")


def cnn_bilstm_residual() -> keras.Model:
    """The CNN-BiLSTM with three residual blocks, one on the 12x12 map and two on the 6x6 one. 2.7 M parameters.

    The blocks begin as identities, so that the network can start from a trained CNN-BiLSTM and predicts exactly the
    same before its first step (Chen et al., "Net2Net", ICLR 2016): see `mien.trainer.models.growth`.
    """
    units = 96
    image, features = input_block()
    features = conv_block(features, 32, kernel_size=5, stride=2)
    features = conv_block(conv_block(features, 64), 64, stride=2)
    features = residual_block(conv_block(features, 128), 128, name=f"{GROWN_LAYER}-12")
    features = conv_block(conv_block(features, 128, stride=2), 192)
    for number in (1, 2):
        features = residual_block(features, 192, name=f"{GROWN_LAYER}-6-{number}")
    features = conv_block(features, units, kernel_size=1)
    sequence = layers.Dropout(0.2)(rows_to_sequence(features))
    sequence = bilstm_block(sequence, units)
    return build_classifier(image, attention_pooling(sequence), name="cnn-bilstm-residual")


def cnn_bilstm_both() -> keras.Model:
    """The feature map read by rows and by columns, each by a BiLSTM with attention, beside its global average.

    In this form the BiLSTM can only add to what the convolutions know: `trainer/LOG.md` reports its effect. 1.0 M.
    """
    units = 48
    image, features = input_block()
    maps = backbone(features, width=1)
    features = layers.Dropout(0.2)(conv_block(maps, 96, kernel_size=1))
    rows = attention_pooling(bilstm_block(rows_to_sequence(features), units))
    columns = layers.Permute((2, 1, 3))(features)
    columns = attention_pooling(bilstm_block(rows_to_sequence(columns), units), name=f"{ATTENTION_LAYER}-columns")
    vector = layers.Concatenate()([rows, columns, layers.GlobalAveragePooling2D()(maps)])
    return build_classifier(image, vector, name="cnn-bilstm-both")


def cnn(*, width: float, name: str) -> keras.Model:
    """The CNN-BiLSTM without its BiLSTM: the same convolutions, then global average pooling. 0.5 M parameters.

    `cnn-same-size` is widened to as many parameters as the CNN-BiLSTM: what is that size worth without the BiLSTM?
    """
    image, features = input_block()
    features = backbone(features, width=width)
    return build_classifier(image, layers.GlobalAveragePooling2D()(features), name=name)


def cnn_residual(*, resize_to_px: int) -> keras.Model:
    """A residual network (He et al., 2016) with squeeze and excitation (Hu et al., 2018). 2.8 M parameters.

    With a smaller `resize_to_px` it downscales each image first, for a fraction of the multiplications and with the
    same weights: start a training small and cheap and finish it at full size (progressive resizing, Howard et al.,
    2018).
    """
    image, features = input_block()
    if resize_to_px != IMAGE_SIZE_PX:
        features = layers.Resizing(resize_to_px, resize_to_px)(features)
    features = conv_block(features, 64, kernel_size=5, stride=2)
    features = residual_block(features, 64)
    for filters in (128, 256):
        features = residual_block(residual_block(features, filters, stride=2), filters)
    name = "cnn-residual" if resize_to_px == IMAGE_SIZE_PX else f"cnn-residual-{resize_to_px}"
    return build_classifier(image, layers.GlobalAveragePooling2D()(features), name=name)


def bilstm() -> keras.Model:
    """The BiLSTM alone: the image's 48 rows as a sequence, two bidirectional LSTMs, attention pooling. 0.9 M."""
    units = 160
    image, features = input_block()
    sequence = bilstm_block(rows_to_sequence(features), units)
    sequence = bilstm_block(layers.Dropout(0.2)(sequence), units)
    return build_classifier(image, attention_pooling(sequence), name="bilstm")


def hero_member(depth: int) -> keras.Model:
    """One of HERO's CNNs: `depth` 3x3 convolutions on each of three scales."""
    image, features = input_block()
    features = conv_block(features, 32, kernel_size=5, stride=2)
    for filters in (64, 128, 192):
        for _ in range(depth - 1):
            features = conv_block(features, filters)
        features = conv_block(features, filters, stride=2)
    return build_classifier(image, layers.GlobalAveragePooling2D()(features), name=f"hero-{depth}")


def hero(members: list[keras.Model] | None = None) -> keras.Model:
    """HERO (Hua et al., IEEE Access 2019): an ensemble of three CNNs of different depth, trained separately.

    Combined by the mean of their logits, that is, the geometric mean of their scores. Untrained unless `members` are
    given.
    """
    return build_ensemble(members or [hero_member(depth) for depth in HERO_DEPTHS], name="hero")


def build_ensemble(members: list[keras.Model], *, mirrored: bool = False, name: str = "ensemble") -> keras.Model:
    """One network that predicts the mean of its members' logits, if `mirrored` over an image and its mirror image."""
    image = keras.Input((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 1), name="image")
    views = [image, keras.ops.flip(image, axis=2)] if mirrored else [image]
    logit_models = [
        keras.Model(member.inputs, member.get_layer(SCORES_LAYER).input, name=f"{member.name}-{number}")
        for number, member in enumerate(members, 1)
    ]
    logits = [model(view) for model in logit_models for view in views]
    mean = layers.Average(name="mean-logits")(logits) if len(logits) > 1 else logits[0]
    return keras.Model(image, layers.Softmax(name=SCORES_LAYER)(mean), name=name)


NETWORKS: dict[NetworkName, Callable[[], keras.Model]] = {
    "cnn-bilstm": cnn_bilstm,
    "cnn-bilstm-both": cnn_bilstm_both,
    "cnn-bilstm-residual": cnn_bilstm_residual,
    "cnn": partial(cnn, width=1, name="cnn"),
    "cnn-same-size": partial(cnn, width=1.43, name="cnn-same-size"),
    "cnn-residual": partial(cnn_residual, resize_to_px=IMAGE_SIZE_PX),
    "cnn-residual-32": partial(cnn_residual, resize_to_px=32),
    "bilstm": bilstm,
    "gabor-cnn": gabor_cnn,
    "mobilenet-v2": mobilenet_v2,
    "efficientnet-b0": efficientnet_b0,
    "efficientnet-lite0": efficientnet_lite0,
    "hero": hero,
    "hero-1": partial(hero_member, 1),
    "hero-2": partial(hero_member, 2),
    "hero-3": partial(hero_member, 3),
}
"""The builders by name. A name determines sizes and dropout: they are not fields of a recipe."""

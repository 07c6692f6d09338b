"""The networks, each a small functional builder. Keras 3, any backend; LSTMs are unrolled because TFLite requires it.

Each maps (48, 48, 1) images from `mien.model.preprocessing.preprocess`, values 0 to 255, to (7,) scores in the order
of EMOTIONS. Each ends with a dense layer `logits` and its softmax, so that a temperature can be folded into the former.
The papers leave layer sizes open or give them for larger images: the sizes here are our own.
"""

from collections.abc import Callable
from functools import partial

import keras
from keras import layers

from mien.emotions import EMOTIONS
from mien.model.preprocessing import IMAGE_SIZE_PX, TARGET_DEVIATION, TARGET_MEAN
from mien.trainer.recipe import NetworkName

ATTENTION_LAYER = "attention"
LOGITS_LAYER = "logits"
SCORES_LAYER = "scores"
RESIDUAL_PARTS = ("conv-1", "norm-1", "conv-2", "norm-2", "squeeze", "excite")
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
    image, features = _input_block()
    features = _backbone(features, width=1)
    features = _conv_block(features, units, kernel_size=1)
    sequence = layers.Dropout(0.2)(_rows_to_sequence(features))
    sequence = _bilstm_block(sequence, units)
    return _build_classifier(image, _attention_pooling(sequence), name="cnn-bilstm")


def cnn_bilstm_residual() -> keras.Model:
    """The CNN-BiLSTM with three residual blocks, one on the 12x12 map and two on the 6x6 one. 2.7 M parameters.

    The blocks begin as identities, so that the network can start from a trained CNN-BiLSTM and predicts exactly the
    same before its first step (Chen et al., "Net2Net", ICLR 2016): see `mien.trainer.models.growth`.
    """
    units = 96
    image, features = _input_block()
    features = _conv_block(features, 32, kernel_size=5, stride=2)
    features = _conv_block(_conv_block(features, 64), 64, stride=2)
    features = _residual_block(_conv_block(features, 128), 128, name=f"{GROWN_LAYER}-12")
    features = _conv_block(_conv_block(features, 128, stride=2), 192)
    for number in (1, 2):
        features = _residual_block(features, 192, name=f"{GROWN_LAYER}-6-{number}")
    features = _conv_block(features, units, kernel_size=1)
    sequence = layers.Dropout(0.2)(_rows_to_sequence(features))
    sequence = _bilstm_block(sequence, units)
    return _build_classifier(image, _attention_pooling(sequence), name="cnn-bilstm-residual")


def cnn_bilstm_both() -> keras.Model:
    """The feature map read by rows and by columns, each by a BiLSTM with attention, beside its global average.

    In this form the BiLSTM can only add to what the convolutions know: `trainer/LOG.md` reports its effect. 1.0 M.
    """
    units = 48
    image, features = _input_block()
    backbone = _backbone(features, width=1)
    features = layers.Dropout(0.2)(_conv_block(backbone, 96, kernel_size=1))
    rows = _attention_pooling(_bilstm_block(_rows_to_sequence(features), units))
    columns = layers.Permute((2, 1, 3))(features)
    columns = _attention_pooling(_bilstm_block(_rows_to_sequence(columns), units), name=f"{ATTENTION_LAYER}-columns")
    vector = layers.Concatenate()([rows, columns, layers.GlobalAveragePooling2D()(backbone)])
    return _build_classifier(image, vector, name="cnn-bilstm-both")


def cnn(*, width: float, name: str) -> keras.Model:
    """The CNN-BiLSTM without its BiLSTM: the same convolutions, then global average pooling. 0.5 M parameters.

    `cnn-same-size` is widened to as many parameters as the CNN-BiLSTM: what is that size worth without the BiLSTM?
    """
    image, features = _input_block()
    features = _backbone(features, width=width)
    return _build_classifier(image, layers.GlobalAveragePooling2D()(features), name=name)


def cnn_residual(*, resize_to_px: int) -> keras.Model:
    """A residual network (He et al., 2016) with squeeze and excitation (Hu et al., 2018). 2.8 M parameters.

    With a smaller `resize_to_px` it downscales each image first, for a fraction of the multiplications and with the
    same weights: start a training small and cheap and finish it at full size (progressive resizing, Howard et al.,
    2018).
    """
    image, features = _input_block()
    if resize_to_px != IMAGE_SIZE_PX:
        features = layers.Resizing(resize_to_px, resize_to_px)(features)
    features = _conv_block(features, 64, kernel_size=5, stride=2)
    features = _residual_block(features, 64)
    for filters in (128, 256):
        features = _residual_block(_residual_block(features, filters, stride=2), filters)
    name = "cnn-residual" if resize_to_px == IMAGE_SIZE_PX else f"cnn-residual-{resize_to_px}"
    return _build_classifier(image, layers.GlobalAveragePooling2D()(features), name=name)


def bilstm() -> keras.Model:
    """The BiLSTM alone: the image's 48 rows as a sequence, two bidirectional LSTMs, attention pooling. 0.9 M."""
    units = 160
    image, features = _input_block()
    sequence = _bilstm_block(_rows_to_sequence(features), units)
    sequence = _bilstm_block(layers.Dropout(0.2)(sequence), units)
    return _build_classifier(image, _attention_pooling(sequence), name="bilstm")


def hero_member(depth: int) -> keras.Model:
    """One of HERO's CNNs: `depth` 3x3 convolutions on each of three scales."""
    image, features = _input_block()
    features = _conv_block(features, 32, kernel_size=5, stride=2)
    for filters in (64, 128, 192):
        for _ in range(depth - 1):
            features = _conv_block(features, filters)
        features = _conv_block(features, filters, stride=2)
    return _build_classifier(image, layers.GlobalAveragePooling2D()(features), name=f"hero-{depth}")


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


def _input_block() -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input image, and the image standardized to mean 0 and deviation 1."""
    image = keras.Input((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 1), name="image")
    return image, layers.Rescaling(1 / TARGET_DEVIATION, offset=-TARGET_MEAN / TARGET_DEVIATION)(image)


def _backbone(features: keras.KerasTensor, *, width: float) -> keras.KerasTensor:
    """Six convolutions from 48x48 to 6x6 and 192 x `width` channels."""
    features = _conv_block(features, round(32 * width), kernel_size=5, stride=2)
    for filters in (64, 128):
        features = _conv_block(features, round(filters * width))
        features = _conv_block(features, round(filters * width), stride=2)
    return _conv_block(features, round(192 * width))


def _conv_block(
    features: keras.KerasTensor, filters: int, *, kernel_size: int = 3, stride: int = 1
) -> keras.KerasTensor:
    """Convolution, batch normalization, ReLU."""
    features = layers.Conv2D(filters, kernel_size, strides=stride, padding="same", use_bias=False)(features)
    features = layers.BatchNormalization(momentum=0.95)(features)
    return layers.ReLU()(features)


def _residual_block(
    features: keras.KerasTensor, filters: int, *, stride: int = 1, name: str | None = None
) -> keras.KerasTensor:
    """Two 3x3 convolutions with squeeze and excitation, added to a shortcut.

    With a `name`, which its layers' names then begin with, it begins as an identity: the scale of its last batch
    normalization starts at 0 (Goyal et al., 2017). Its features must not be negative.
    """
    names = {} if name is None else {part: {"name": f"{name}-{part}"} for part in RESIDUAL_PARTS}

    def named(part: str) -> dict[str, str]:
        return names.get(part, {})

    residual = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False, **named("conv-1"))(features)
    residual = layers.ReLU()(layers.BatchNormalization(momentum=0.95, **named("norm-1"))(residual))
    residual = layers.Conv2D(filters, 3, padding="same", use_bias=False, **named("conv-2"))(residual)
    scale = "ones" if name is None else "zeros"
    residual = layers.BatchNormalization(momentum=0.95, gamma_initializer=scale, **named("norm-2"))(residual)
    channel_weights = layers.GlobalAveragePooling2D(keepdims=True)(residual)
    channel_weights = layers.Conv2D(filters // 8, 1, activation="relu", **named("squeeze"))(channel_weights)
    channel_weights = layers.Conv2D(filters, 1, activation="sigmoid", **named("excite"))(channel_weights)
    residual = layers.Multiply()([residual, channel_weights])
    shortcut = features
    if stride > 1:
        shortcut = layers.AveragePooling2D(stride, padding="same")(shortcut)
    if shortcut.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, use_bias=False)(shortcut)
        shortcut = layers.BatchNormalization(momentum=0.95)(shortcut)
    return layers.ReLU()(layers.Add()([shortcut, residual]))


def _rows_to_sequence(features: keras.KerasTensor) -> keras.KerasTensor:
    """The rows of a feature map, from the top of the face down, as a sequence."""
    rows, columns, channels = features.shape[1:]
    return layers.Reshape((rows, columns * channels))(features)


def _bilstm_block(sequence: keras.KerasTensor, units: int) -> keras.KerasTensor:
    return layers.Bidirectional(layers.LSTM(units, return_sequences=True, unroll=True))(sequence)


def _attention_pooling(sequence: keras.KerasTensor, *, name: str = ATTENTION_LAYER) -> keras.KerasTensor:
    """One vector from a sequence: the mean of its steps, each weighted by a softmax over a learned score.

    Additive attention with the scoring layer folded into one unit (Bahdanau et al., 2015, without a query). Written as
    a product and a mean rather than a dot product because both are plain int8 operations in TFLite.
    """
    step_weights = layers.Softmax(axis=1, name=name)(layers.Dense(1)(sequence))
    return layers.GlobalAveragePooling1D()(layers.Multiply()([sequence, step_weights]))


def _build_classifier(image: keras.KerasTensor, vector: keras.KerasTensor, *, name: str) -> keras.Model:
    """The network from an image to scores, with a dropout, logits and softmax head on a feature vector."""
    logits = layers.Dense(len(EMOTIONS), name=LOGITS_LAYER, dtype="float32")(layers.Dropout(0.3)(vector))
    return keras.Model(image, layers.Softmax(name=SCORES_LAYER, dtype="float32")(logits), name=name)


NETWORKS: dict[NetworkName, Callable[[], keras.Model]] = {
    "cnn-bilstm": cnn_bilstm,
    "cnn-bilstm-both": cnn_bilstm_both,
    "cnn-bilstm-residual": cnn_bilstm_residual,
    "cnn": partial(cnn, width=1, name="cnn"),
    "cnn-same-size": partial(cnn, width=1.43, name="cnn-same-size"),
    "cnn-residual": partial(cnn_residual, resize_to_px=IMAGE_SIZE_PX),
    "cnn-residual-32": partial(cnn_residual, resize_to_px=32),
    "bilstm": bilstm,
    "hero": hero,
    "hero-1": partial(hero_member, 1),
    "hero-2": partial(hero_member, 2),
    "hero-3": partial(hero_member, 3),
}
"""The builders by name. A name determines sizes and dropout: they are not fields of a recipe."""

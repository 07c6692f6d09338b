"""The parts that the networks are built of, as functions from a Keras tensor to the next one.

LSTMs are unrolled because TFLite requires it.
"""

import keras
from keras import layers

from mien.emotions import EMOTIONS
from mien.model.preprocessing import IMAGE_SIZE_PX, TARGET_DEVIATION, TARGET_MEAN

ATTENTION_LAYER = "attention"
LOGITS_LAYER = "logits"
SCORES_LAYER = "scores"
RESIDUAL_PARTS = ("conv-1", "norm-1", "conv-2", "norm-2", "squeeze", "excite")


def input_block() -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input image, and the image standardized to mean 0 and deviation 1."""
    image = keras.Input((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 1), name="image")
    return image, layers.Rescaling(1 / TARGET_DEVIATION, offset=-TARGET_MEAN / TARGET_DEVIATION)(image)


def backbone(features: keras.KerasTensor, *, width: float) -> keras.KerasTensor:
    """Six convolutions from 48x48 to 6x6 and 192 x `width` channels."""
    features = conv_block(features, round(32 * width), kernel_size=5, stride=2)
    for filters in (64, 128):
        features = conv_block(features, round(filters * width))
        features = conv_block(features, round(filters * width), stride=2)
    return conv_block(features, round(192 * width))


def conv_block(
    features: keras.KerasTensor, filters: int, *, kernel_size: int = 3, stride: int = 1
) -> keras.KerasTensor:
    """Convolution, batch normalization, ReLU."""
    features = layers.Conv2D(filters, kernel_size, strides=stride, padding="same", use_bias=False)(features)
    features = layers.BatchNormalization(momentum=0.95)(features)
    return layers.ReLU()(features)


def residual_block(
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


def rows_to_sequence(features: keras.KerasTensor) -> keras.KerasTensor:
    """The rows of a feature map, from the top of the face down, as a sequence."""
    rows, columns, channels = features.shape[1:]
    return layers.Reshape((rows, columns * channels))(features)


def bilstm_block(sequence: keras.KerasTensor, units: int) -> keras.KerasTensor:
    return layers.Bidirectional(layers.LSTM(units, return_sequences=True, unroll=True))(sequence)


def attention_pooling(sequence: keras.KerasTensor, *, name: str = ATTENTION_LAYER) -> keras.KerasTensor:
    """One vector from a sequence: the mean of its steps, each weighted by a softmax over a learned score.

    Additive attention with the scoring layer folded into one unit (Bahdanau et al., 2015, without a query). Written as
    a product and a mean rather than a dot product because both are plain int8 operations in TFLite.
    """
    step_weights = layers.Softmax(axis=1, name=name)(layers.Dense(1)(sequence))
    return layers.GlobalAveragePooling1D()(layers.Multiply()([sequence, step_weights]))


def build_classifier(image: keras.KerasTensor, vector: keras.KerasTensor, *, name: str) -> keras.Model:
    """The network from an image to scores, with a dropout, logits and softmax head on a feature vector."""
    logits = layers.Dense(len(EMOTIONS), name=LOGITS_LAYER, dtype="float32")(layers.Dropout(0.3)(vector))
    return keras.Model(image, layers.Softmax(name=SCORES_LAYER, dtype="float32")(logits), name=name)

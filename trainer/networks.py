"""The networks, each a small functional builder. Keras 3, any backend; unrolled LSTMs, so that TFLite takes them.

Each takes (48, 48, 1) pictures from `mien.preprocessing.prepare`, values 0 to 255, and answers (7,) scores in the order
of EMOTIONS. Each ends with a dense layer `logits` and its softmax, so that a temperature can be folded into the first.
The papers leave layer sizes open or give them for larger pictures: the sizes here are our own.
"""

from collections.abc import Callable
from functools import partial

import keras
from keras import layers

from mien.emotions import EMOTIONS
from mien.preprocessing import DEVIATION, MEAN, SIDE_PIXELS

ATTENTION = "attention"
LOGITS = "logits"
SCORES = "scores"


def cnn_bilstm(*, units: int = 96) -> keras.Model:
    """Pansambal et al., "An Integrated CNN-BiLSTM Approach for Facial Expressions", in about 1.04 M parameters.

    Convolutions with batch normalisation; the rows of the 6x6 feature map as a sequence of six steps; a
    bidirectional LSTM over them; attention pooling; dropout; softmax. The paper pools by maximum: a stride halves as
    well, and asks for a quarter of the multiplications.
    """
    picture, features = _picture()
    features = _trunk(features)
    features = _convolution(features, units, size=1)
    sequence = layers.Dropout(0.2)(_rows(features))
    sequence = _bilstm(sequence, units)
    return _answer(picture, _attention_pooling(sequence), name="cnn-bilstm")


def cnn_bilstm_both(*, units: int = 48) -> keras.Model:
    """The map read by rows and by columns, each by a BiLSTM with attention of its own, beside the mean over the map.

    In this form the BiLSTM can only add to what the convolutions know: `trainer/LOG.md` says what it does. 1.0 M.
    """
    picture, features = _picture()
    trunk = _trunk(features)
    features = layers.Dropout(0.2)(_convolution(trunk, 96, size=1))
    rows = _attention_pooling(_bilstm(_rows(features), units))
    columns = layers.Permute((2, 1, 3))(features)
    columns = _attention_pooling(_bilstm(_rows(columns), units), name=f"{ATTENTION}-columns")
    vector = layers.Concatenate()([rows, columns, layers.GlobalAveragePooling2D()(trunk)])
    return _answer(picture, vector, name="cnn-bilstm-both")


def cnn(*, width: float = 1.0, name: str = "cnn") -> keras.Model:
    """The CNN-BiLSTM without its BiLSTM: the same convolutions, then the mean over the map. 0.5 M parameters."""
    picture, features = _picture()
    features = _trunk(features, width=width)
    return _answer(picture, layers.GlobalAveragePooling2D()(features), name=name)


def cnn_same_size() -> keras.Model:
    """`cnn`, widened until it has as many parameters as the CNN-BiLSTM: what is that size worth without the BiLSTM?"""
    return cnn(width=1.43, name="cnn-same-size")


def cnn_residual(*, seen_pixels: int = SIDE_PIXELS) -> keras.Model:
    """A residual network (He et al., 2016) with squeeze and excitation (Hu et al., 2018). 2.8 M parameters.

    With fewer `seen_pixels` it shrinks each picture first, for a fraction of the multiplications and with the same
    weights: begin a training small and cheap and end it at full size (progressive resizing, Howard et al., 2018).
    """
    picture, features = _picture()
    if seen_pixels != SIDE_PIXELS:
        features = layers.Resizing(seen_pixels, seen_pixels)(features)
    features = _convolution(features, 64, size=5, stride=2)
    features = _residual(features, 64)
    for count in (128, 256):
        features = _residual(_residual(features, count, stride=2), count)
    name = "cnn-residual" if seen_pixels == SIDE_PIXELS else f"cnn-residual-{seen_pixels}"
    return _answer(picture, layers.GlobalAveragePooling2D()(features), name=name)


def bilstm(*, units: int = 160) -> keras.Model:
    """The BiLSTM alone: the picture's 48 rows as a sequence, two bidirectional LSTMs, attention pooling. 0.9 M."""
    picture, features = _picture()
    sequence = _bilstm(_rows(features), units)
    sequence = _bilstm(layers.Dropout(0.2)(sequence), units)
    return _answer(picture, _attention_pooling(sequence), name="bilstm")


def hero_member(depth: int) -> keras.Model:
    """One of HERO's CNNs: `depth` 3x3 convolutions on each of three scales."""
    picture, features = _picture()
    features = _convolution(features, 32, size=5, stride=2)
    for count in (64, 128, 192):
        for _ in range(depth - 1):
            features = _convolution(features, count)
        features = _convolution(features, count, stride=2)
    return _answer(picture, layers.GlobalAveragePooling2D()(features), name=f"hero-{depth}")


def hero(members: list[keras.Model] | None = None) -> keras.Model:
    """HERO (Hua et al., IEEE Access 2019): three CNNs of different depth, trained on their own, their answers fused.

    Fused by the mean of their logits, which is the geometric mean of their scores. New ones unless `members` are given.
    """
    return fused(members or [hero_member(depth) for depth in HERO_DEPTHS], name="hero")


def fused(members: list[keras.Model], *, mirrored: bool = False, name: str = "fused") -> keras.Model:
    """Networks that answer together: the mean of their logits, if `mirrored` of a picture and its mirror image."""
    picture = keras.Input((SIDE_PIXELS, SIDE_PIXELS, 1), name="picture")
    seen = [picture, keras.ops.flip(picture, axis=2)] if mirrored else [picture]
    logits = [
        keras.Model(member.inputs, member.get_layer(SCORES).input, name=f"{member.name}-{place}")
        for place, member in enumerate(members, 1)
    ]
    answers = [member(one) for member in logits for one in seen]
    mean = layers.Average(name="fused")(answers) if len(answers) > 1 else answers[0]
    return keras.Model(picture, layers.Softmax(name=SCORES)(mean), name=name)


HERO_DEPTHS = (1, 2, 3)


def _picture() -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input, and it scaled to mean 0 and deviation 1."""
    picture = keras.Input((SIDE_PIXELS, SIDE_PIXELS, 1), name="picture")
    return picture, layers.Rescaling(1 / DEVIATION, offset=-MEAN / DEVIATION)(picture)


def _trunk(features: keras.KerasTensor, *, width: float = 1.0) -> keras.KerasTensor:
    """Six convolutions from 48x48 to 6x6, and 192 x `width` channels."""
    features = _convolution(features, round(32 * width), size=5, stride=2)
    for count in (64, 128):
        features = _convolution(features, round(count * width))
        features = _convolution(features, round(count * width), stride=2)
    return _convolution(features, round(192 * width))


def _convolution(features: keras.KerasTensor, count: int, *, size: int = 3, stride: int = 1) -> keras.KerasTensor:
    features = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(features)
    features = layers.BatchNormalization(momentum=0.95)(features)
    return layers.ReLU()(features)


def _residual(features: keras.KerasTensor, count: int, *, stride: int = 1) -> keras.KerasTensor:
    """Two 3x3 convolutions, each channel weighted by what the whole map holds, added to what came in."""
    added = _convolution(features, count, stride=stride)
    added = layers.Conv2D(count, 3, padding="same", use_bias=False)(added)
    added = layers.BatchNormalization(momentum=0.95)(added)
    weights = layers.GlobalAveragePooling2D(keepdims=True)(added)
    weights = layers.Conv2D(count // 8, 1, activation="relu")(weights)
    weights = layers.Conv2D(count, 1, activation="sigmoid")(weights)
    added = layers.Multiply()([added, weights])
    if stride > 1:
        features = layers.AveragePooling2D(stride, padding="same")(features)
    if features.shape[-1] != count:
        features = layers.Conv2D(count, 1, use_bias=False)(features)
        features = layers.BatchNormalization(momentum=0.95)(features)
    return layers.ReLU()(layers.Add()([features, added]))


def _rows(features: keras.KerasTensor) -> keras.KerasTensor:
    """A map's rows, from the top of the face down, as a sequence."""
    rows, columns, channels = features.shape[1:]
    return layers.Reshape((rows, columns * channels))(features)


def _bilstm(sequence: keras.KerasTensor, units: int) -> keras.KerasTensor:
    return layers.Bidirectional(layers.LSTM(units, return_sequences=True, unroll=True))(sequence)


def _attention_pooling(sequence: keras.KerasTensor, *, name: str = ATTENTION) -> keras.KerasTensor:
    """One vector from a sequence: the mean of its steps, each weighted by a softmax over a learned score.

    Additive attention with the scoring layer folded into one unit (Bahdanau et al., 2015, without a query). Written
    as a product and a mean rather than a dot product: both are plain int8 operations in TFLite.
    """
    weights = layers.Softmax(axis=1, name=name)(layers.Dense(1)(sequence))
    return layers.GlobalAveragePooling1D()(layers.Multiply()([sequence, weights]))


def _answer(picture: keras.KerasTensor, vector: keras.KerasTensor, *, name: str) -> keras.Model:
    logits = layers.Dense(len(EMOTIONS), name=LOGITS, dtype="float32")(layers.Dropout(0.3)(vector))
    return keras.Model(picture, layers.Softmax(name=SCORES, dtype="float32")(logits), name=name)


NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "cnn-bilstm": cnn_bilstm,
    "cnn-bilstm-both": cnn_bilstm_both,
    "cnn": cnn,
    "cnn-same-size": cnn_same_size,
    "cnn-residual": cnn_residual,
    "cnn-residual-32": partial(cnn_residual, seen_pixels=32),
    "bilstm": bilstm,
    "hero": hero,
    **{f"hero-{depth}": partial(hero_member, depth) for depth in HERO_DEPTHS},
}
"""The builders by the name that `mien train --network` takes."""

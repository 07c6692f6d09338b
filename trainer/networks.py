"""The networks, each a small functional builder. Keras 3, any backend; unrolled LSTMs, so that TFLite takes them."""

import keras
from keras import layers

from mien.emotions import EMOTIONS
from mien.preprocessing import DEVIATION, MEAN, SIDE_PIXELS

ATTENTION = "attention"


def cnn_bilstm(*, channels: tuple[int, int, int] = (32, 64, 128), units: int = 96) -> keras.Model:
    """Pansambal et al., "An Integrated CNN-BiLSTM Approach for Facial Expressions", in about 1.04 M parameters.

    Blocks of convolution, max-pooling, batch normalisation and dropout; the rows of the 6x6 feature map as a sequence
    of six steps; a bidirectional LSTM over them; attention pooling; softmax over the seven emotions. The paper leaves
    the layer sizes open: ours are chosen so that the int8 file stays near 1 MB. Pooling stands before normalisation
    and ReLU, which then work on a quarter of the values with the same result but for the batch statistics.

    Input (48, 48, 1) from `mien.preprocessing.prepare`, values 0 to 255; output (7,) in the order of EMOTIONS.
    """
    picture = keras.Input((SIDE_PIXELS, SIDE_PIXELS, 1), name="picture")
    features = layers.Rescaling(1 / DEVIATION, offset=-MEAN / DEVIATION)(picture)
    stem, middle, deep = channels
    features = _convolution(features, stem, size=5, pool=True)
    for count, dropout in ((middle, 0.1), (deep, 0.15)):
        features = _convolution(features, count)
        features = _convolution(features, count, pool=True)
        features = layers.SpatialDropout2D(dropout)(features)
    features = _convolution(features, deep * 3 // 2)
    features = _convolution(features, units, size=1)
    rows, columns = features.shape[1], features.shape[2]
    sequence = layers.Reshape((rows, columns * units))(features)
    sequence = layers.Dropout(0.2)(sequence)
    sequence = layers.Bidirectional(layers.LSTM(units, return_sequences=True, unroll=True))(sequence)
    pooled = layers.Dropout(0.3)(_attention_pooling(sequence))
    scores = layers.Dense(len(EMOTIONS), activation="softmax", name="scores")(pooled)
    return keras.Model(picture, scores, name="cnn-bilstm")


def _convolution(features: keras.KerasTensor, count: int, *, size: int = 3, pool: bool = False) -> keras.KerasTensor:
    features = layers.Conv2D(count, size, padding="same", use_bias=False)(features)
    if pool:
        features = layers.MaxPooling2D()(features)
    features = layers.BatchNormalization(momentum=0.95)(features)
    return layers.ReLU()(features)


def _attention_pooling(sequence: keras.KerasTensor) -> keras.KerasTensor:
    """One vector from a sequence: the mean of its steps, each weighted by a softmax over a learned score.

    Additive attention with the scoring layer folded into one unit (Bahdanau et al., 2015, without a query). Written
    as a product and a mean rather than a dot product: both are plain int8 operations in TFLite.
    """
    weights = layers.Softmax(axis=1, name=ATTENTION)(layers.Dense(1)(sequence))
    return layers.GlobalAveragePooling1D()(layers.Multiply()([sequence, weights]))


NETWORKS = {"cnn-bilstm": cnn_bilstm}
"""The builders by the name that `mien train --network` takes."""

"""A CNN behind a fixed bank of Gabor filters."""

import cv2
import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from .blocks import build_classifier, conv_block, input_block

KERNEL_SIZE_PX = 11
ORIENTATIONS = 8
WAVELENGTHS_PX = (4.0, 8.0)
PHASES = (0.0, np.pi / 2)
"""The even and the odd filter: together they find an edge wherever in its period it lies."""


def gabor_cnn() -> keras.Model:
    """The CNN whose first layer is not learned: 32 Gabor filters, as simple cells of the visual cortex see. 0.5 M.

    Lyons et al., "Coding Facial Expressions with Gabor Wavelets", FG 1998, read expressions from such filters; a CNN
    learns from their responses here. Of each response both signs are kept, each by a ReLU.
    """
    image, features = input_block()
    bank = gabor_filters()
    features = layers.Conv2D(
        bank.shape[-1],
        KERNEL_SIZE_PX,
        strides=2,
        padding="same",
        use_bias=False,
        trainable=False,
        kernel_initializer=keras.initializers.Constant(bank),
        name="gabor",
    )(features)
    features = layers.Concatenate()([layers.ReLU()(features), layers.ReLU()(layers.Rescaling(-1.0)(features))])
    for filters in (64, 128):
        features = conv_block(features, filters)
        features = conv_block(features, filters, stride=2)
    features = conv_block(features, 192)
    return build_classifier(image, layers.GlobalAveragePooling2D()(features), name="gabor-cnn")


def gabor_filters() -> NDArray[np.float32]:
    """(11, 11, 1, 32) filters: each orientation with each wavelength and phase, of mean 0 and absolute sum 1.

    The Gaussian's deviation is half of the wavelength, for a bandwidth of about an octave and a half (Daugman, 1985).
    """
    filters = [
        cv2.getGaborKernel((KERNEL_SIZE_PX, KERNEL_SIZE_PX), wavelength / 2, angle, wavelength, 1.0, phase)
        for wavelength in WAVELENGTHS_PX
        for angle in np.pi * np.arange(ORIENTATIONS) / ORIENTATIONS
        for phase in PHASES
    ]
    bank = np.stack(filters, axis=-1)[:, :, np.newaxis].astype(np.float32)
    bank -= bank.mean(axis=(0, 1), keepdims=True)
    bank /= np.abs(bank).sum(axis=(0, 1), keepdims=True)
    return bank

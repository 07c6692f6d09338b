"""From a grey face crop of any size to the network's input: the same function in training and on the device."""

import cv2
import numpy as np
from numpy.typing import NDArray

PREPROCESSING = "gray48-standard-1"
"""The name of what `prepare` does. A model card carries it; a change of `prepare` needs a new name."""

SIDE_PIXELS = 48
"""FER-2013's picture size."""

MEAN = 128.0
DEVIATION = 64.0
LEAST_DEVIATION = 8.0
"""A crop flatter than this is not stretched further: it would only be noise."""


def sharpness(prepared: NDArray[np.uint8]) -> float:
    """Low where a prepared picture is blurred: the variance of its second differences, along rows or columns.

    After the variance of the Laplacian (Pech-Pacheco et al., 2000), which is their sum. The smaller of the two also
    tells a face that moved, which is blurred in one direction only.
    """
    across = cv2.Sobel(prepared, cv2.CV_32F, 2, 0, ksize=1)
    down = cv2.Sobel(prepared, cv2.CV_32F, 0, 2, ksize=1)
    return float(min(across.var(), down.var()))


def prepare(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale a grey crop to 48x48 and its brightness to mean 128 and standard deviation 64, cut off at 0 and 255.

    `crop` is (height, width) uint8; the answer is (48, 48) uint8. Standardising each picture takes out the room's
    light, which on a device varies more than in the training data.
    """
    if crop.shape != (SIDE_PIXELS, SIDE_PIXELS):
        crop = cv2.resize(crop, (SIDE_PIXELS, SIDE_PIXELS), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    mean, deviation = cv2.meanStdDev(crop)
    gain = DEVIATION / max(float(deviation[0, 0]), LEAST_DEVIATION)
    return cv2.addWeighted(crop, gain, crop, 0.0, MEAN - gain * float(mean[0, 0])).astype(np.uint8, copy=False)

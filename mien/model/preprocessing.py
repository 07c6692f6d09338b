"""From a gray face crop of any size to the network's input; the same function in training and on the device."""

import cv2
import numpy as np
from numpy.typing import NDArray

PREPROCESSING_ID = "gray48-standard-1"
"""Identifies what `preprocess` does. A model card carries it; any change of `preprocess` needs a new ID."""

IMAGE_SIZE_PX = 48
"""FER-2013's image size."""

TARGET_MEAN = 128.0
TARGET_DEVIATION = 64.0
MIN_DEVIATION = 8.0
"""A crop with a lower standard deviation is not stretched all the way: that would only amplify noise."""

SECOND_DERIVATIVE = np.array([[1.0, -2.0, 1.0]], np.float32)


def preprocess(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale a gray crop to 48x48, and its brightness to mean 128 and standard deviation 64, clipped to 0 to 255.

    `crop` is (height, width) uint8; the result is (48, 48) uint8. Standardizing each image removes the lighting of
    the room, which varies more on a device than in the training data.
    """
    if crop.shape != (IMAGE_SIZE_PX, IMAGE_SIZE_PX):
        crop = cv2.resize(crop, (IMAGE_SIZE_PX, IMAGE_SIZE_PX), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    mean, deviation = cv2.meanStdDev(crop)
    gain = TARGET_DEVIATION / max(float(deviation[0, 0]), MIN_DEVIATION)
    return cv2.addWeighted(crop, gain, crop, 0.0, TARGET_MEAN - gain * float(mean[0, 0])).astype(np.uint8, copy=False)


def sharpness(preprocessed: NDArray[np.uint8]) -> float:
    """The variance of a preprocessed image's second derivatives along rows or columns, whichever is lower; low if
    the image is blurred.

    After the variance of the Laplacian (Pech-Pacheco et al., 2000), which is the sum of both derivatives. Taking the
    lower one also detects motion blur, which is in one direction only.
    """
    along_rows = cv2.filter2D(preprocessed, cv2.CV_16S, SECOND_DERIVATIVE)
    along_columns = cv2.filter2D(preprocessed, cv2.CV_16S, SECOND_DERIVATIVE.T)
    deviations = (float(cv2.meanStdDev(derivatives)[1][0, 0]) for derivatives in (along_rows, along_columns))
    return min(deviations) ** 2

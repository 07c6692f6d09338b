"""Sorts out faces that the model cannot read, each with a reason: they are counted and never guessed."""

import math
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.face_detection.face import Face
from mien.model.preprocessing import sharpness

from .settings import FaceSettings

Reason = Literal["small", "cut_off", "turned", "dark", "blurred", "covered"]
"""Why a face is not classified."""
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""The difference of two Laplacians, blind to edges (Immerkaer, "Fast noise variance estimation", 1996)."""

MOUTH = slice(31, 44), slice(14, 34)
EYES = slice(13, 25), slice(8, 40)
"""Rows and columns of a preprocessed crop in which they are."""
TEXTURE_KERNEL = cv2.getGaussianKernel(7, 1.0, cv2.CV_32F)
"""Blurred by one pixel (standard deviation), noise is no texture."""


def check_face(face: Face, settings: FaceSettings) -> Reason | None:
    """Why a detected face cannot be read, as far as its place in the frame and its landmarks tell; None if it can."""
    if face.box.side < settings.min_crop_px:
        return "small"
    if face.cut_off > settings.max_cut_off:
        return "cut_off"
    if turn(face) > settings.max_turn:
        return "turned"
    return None


def check_crop(preprocessed: NDArray[np.uint8], settings: FaceSettings) -> Reason | None:
    """Why a preprocessed crop, (48, 48), cannot be read; None if it can."""
    if signal_to_noise(preprocessed) < settings.min_signal_to_noise:
        return "dark"
    if sharpness(preprocessed) < settings.min_sharpness:
        return "blurred"
    if mouth_texture(preprocessed) < settings.min_mouth_texture:
        return "covered"
    return None


def turn(face: Face) -> float:
    """How far the tip of the nose is from the middle between the eyes, along the line of the eyes and in lengths of it.

    0 for a face seen from the front, about 0.5 for a half profile, 1 and more for a profile; 0 without landmarks.
    """
    if face.landmarks is None:
        return 0.0
    (left_x, left_y), (right_x, right_y), (nose_x, nose_y) = face.landmarks[:3].tolist()
    along_x, along_y = right_x - left_x, right_y - left_y
    squared_length = along_x**2 + along_y**2
    offset_x, offset_y = nose_x - (left_x + right_x) / 2, nose_y - (left_y + right_y) / 2
    return abs(offset_x * along_x + offset_y * along_y) / squared_length if squared_length else math.inf


def signal_to_noise(preprocessed: NDArray[np.uint8]) -> float:
    """The contrast of a preprocessed crop, (48, 48), in multiples of its noise; low in the dark, where a camera's noise
    is all that is left."""
    differences = cv2.filter2D(preprocessed, cv2.CV_16S, NOISE_KERNEL)[1:-1, 1:-1]
    noise = math.sqrt(math.pi / 2) / 6 * cv2.norm(differences, cv2.NORM_L1) / differences.size
    contrast = float(cv2.meanStdDev(preprocessed)[1][0, 0])
    return math.sqrt(max(0.0, contrast**2 - noise**2)) / max(noise, 1e-3)


def mouth_texture(preprocessed: NDArray[np.uint8]) -> float:
    """The texture around the mouth of a preprocessed crop, (48, 48), in multiples of that around the eyes; low under a
    medical mask or a scarf. It does not tell a hand or a patterned scarf from a mouth, and sunglasses raise it."""
    smooth = cv2.sepFilter2D(preprocessed, cv2.CV_8U, TEXTURE_KERNEL, TEXTURE_KERNEL)
    gradients = cv2.Sobel(smooth, cv2.CV_16S, 1, 0), cv2.Sobel(smooth, cv2.CV_16S, 0, 1)
    mouth, eyes = (
        sum(cv2.norm(gradient[area], cv2.NORM_L1) for gradient in gradients) / gradients[0][area].size
        for area in (MOUTH, EYES)
    )
    return mouth / max(eyes, 1e-3)

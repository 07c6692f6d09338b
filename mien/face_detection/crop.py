"""Crops a face from a frame as the expression model expects it: square and upright."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.face_detection.face import Face

MIN_ROLL_DEGREES = 8.0
"""A face rolled by less is cropped as it is: the model was trained on faces rolled by as much, and the roll of an
upright one is uncertain by several degrees (`benchmarks/crop.py`)."""


def crop_face(gray: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """The square crop of the face, (side, side), turned upright if it is rolled by more than 8 degrees.

    `gray` is the (height, width) frame in which the face was detected. A turned crop has the center and the side of the
    face's box; what it shows beyond the frame repeats the frame's edge.
    """
    box, roll = face.box, face.roll_degrees
    if abs(roll) < MIN_ROLL_DEGREES:
        return box.crop(gray)
    # only the square around the turned crop is needed: its half diagonal on each side
    center_x, center_y = box.left + (box.side - 1) / 2, box.top + (box.side - 1) / 2
    reach = math.ceil(box.side * math.sqrt(0.5)) + 1
    left, top = max(0, math.floor(center_x) - reach), max(0, math.floor(center_y) - reach)
    part = gray[top : math.ceil(center_y) + reach, left : math.ceil(center_x) + reach]
    matrix = np.asarray(cv2.getRotationMatrix2D((center_x - left, center_y - top), roll, 1.0), np.float64)
    matrix[:, 2] += (box.side - 1) / 2 - np.array([center_x - left, center_y - top])
    size = box.side, box.side
    turned = cv2.warpAffine(part, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned.astype(np.uint8, copy=False)

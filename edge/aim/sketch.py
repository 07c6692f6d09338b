"""A sketch of what the camera sees, too coarse to recognize anybody: edges, without the faces that were found."""

from collections.abc import Sequence

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mien.face_detection.box import Box

WIDTH = 80
"""Points across: of a face that fills a quarter of the image's width 20 remain, each an edge or none. No detector finds
a face in that (tests/edge/aim/test_sketch.py); at 128 points YuNet does."""
BLUR_SIGMA = 0.8
MIN_GRADIENT, STRONG_GRADIENT = 60, 140
"""Canny's thresholds (Canny, "A computational approach to edge detection", 1986): the outlines of furniture, doors and
people remain, a wall's texture and the camera's noise do not."""
FACE_MARGIN = 0.25
"""What is left blank around a face, in sides of its box: the hair, too."""


class Sketch(Struct, frozen=True, kw_only=True):
    """One bit for each point, row by row, each row in whole bytes and from the highest bit on; 1 is an edge."""

    width: int
    height: int
    bits: bytes


def draw_sketch(gray: NDArray[np.uint8], faces: Sequence[Box]) -> Sketch:
    """The edges of a (height, width) frame; the faces are blank.

    It shows where things and people are and how they stand. A face that the detector misses is drawn, in as few points
    as described at WIDTH.
    """
    height, width = gray.shape
    size = WIDTH, max(1, round(height * WIDTH / width))
    small = cv2.GaussianBlur(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), (0, 0), BLUR_SIGMA)
    edges = cv2.Canny(small, MIN_GRADIENT, STRONG_GRADIENT) > 0
    scale = WIDTH / width
    for face in faces:
        margin = FACE_MARGIN * face.side
        left, top = (max(0, int((start - margin) * scale)) for start in (face.left, face.top))
        right, bottom = (int((start + face.side + margin) * scale) + 1 for start in (face.left, face.top))
        edges[top:bottom, left:right] = False
    return Sketch(width=size[0], height=size[1], bits=np.packbits(edges, axis=1).tobytes())

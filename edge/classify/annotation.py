"""Draws boxes and labels into images."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.vision.tracker import FaceResult
from mien.emotions import EMOTIONS
from mien.model.uncertainty import UNCERTAIN, shown_emotion

COLORS = {
    "angry": (60, 60, 220),
    "disgust": (60, 160, 60),
    "fear": (190, 90, 150),
    "happy": (40, 190, 250),
    "sad": (210, 130, 50),
    "surprise": (60, 130, 250),
    "neutral": (190, 190, 190),
    UNCERTAIN: (150, 170, 170),
}
"""BGR."""
SKIPPED_COLOR = (130, 130, 130)
TEXT_COLOR = (20, 20, 20)


def annotate(
    image: NDArray[np.uint8], faces: Sequence[tuple[int, FaceResult]], *, threshold: float = 0.0
) -> NDArray[np.uint8]:
    """A copy of a (height, width, 3) BGR image with a box, track, emotion and confidence for each face.

    The label is `uncertain` below the threshold. Faces that were not classified, such as blurred ones, have a gray box
    without a label.
    """
    copy = image.copy()
    scale = max(0.4, min(copy.shape[:2]) / 900)
    thickness = max(1, round(scale * 2))  # of the text; the boxes are one pixel thicker
    for track, face in faces:
        box = face.box
        corner = box.left + box.side, box.top + box.side
        if face.scores is None:
            cv2.rectangle(copy, (box.left, box.top), corner, SKIPPED_COLOR, thickness)
            continue
        index = int(np.argmax(face.scores))
        emotion = shown_emotion(EMOTIONS[index], float(face.scores[index]), threshold)
        color = COLORS[emotion]
        label = f"{track} {emotion} {face.scores[index]:.2f}"
        (width, height), baseline = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        cv2.rectangle(copy, (box.left, box.top), corner, color, thickness + 1)
        left = min(max(0, box.left), max(0, copy.shape[1] - width - 2 * thickness))
        bottom = max(height + baseline + thickness, box.top)
        label_corners = (left, bottom - height - baseline - thickness), (left + width + 2 * thickness, bottom)
        cv2.rectangle(copy, *label_corners, color, cv2.FILLED)
        origin = left + thickness, bottom - baseline
        cv2.putText(copy, label, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, TEXT_COLOR, thickness, cv2.LINE_AA)
    return copy

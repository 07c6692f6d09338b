"""The `[faces]` table of the agent's settings: a struct for each face detector."""

from typing import Annotated

from msgspec import Meta, Struct


class CommonFaceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="detector"):
    """The settings of every detector: how faces are detected, followed and cropped."""

    detect_every: Annotated[int, Meta(ge=1, le=30)] = 1
    """Run the detector on every n-th frame only and follow faces by template matching in between. 3 halves the work
    on a slow Pi, but a new face is detected up to two frames later."""
    min_crop_px: Annotated[int, Meta(ge=12)] = 32
    """Faces smaller than this in the camera's frame, in pixels, are skipped and counted. Compared with 48 pixels, the
    model makes 2 % fewer correct predictions at 32, 6 % fewer at 24 and 26 % fewer at 16: measured by
    benchmarks/crop_quality.py."""
    min_sharpness: Annotated[float, Meta(ge=0.0)] = 40.0
    """Crops more blurred than this, by focus or by motion, are skipped and counted. The default skips about one in a
    thousand sharp images of FER-2013, and most of those so blurred that a third of the correct predictions is lost:
    measured by benchmarks/crop_quality.py."""
    working_width: Annotated[int, Meta(ge=64)] = 320
    """Frames are scaled down to this width for detection; faces are cropped from the full frame."""
    min_face_px: Annotated[int, Meta(ge=24)] = 40
    """Side of the smallest face to detect, in pixels of the scaled frame."""
    margin: Annotated[float, Meta(ge=-0.3, le=1.0)] = 0.02
    """Margin added to each side of the box, as a fraction of its width. The default gives crops like those of FER-2013:
    measured by benchmarks/crop_margin.py."""


class HaarSettings(CommonFaceSettings, frozen=True, kw_only=True, tag="haar"):
    """OpenCV's frontal Haar cascade, which is part of OpenCV."""

    min_neighbors: Annotated[int, Meta(ge=1)] = 3
    """Overlapping detections needed to accept a face; a higher value means fewer false faces and more missed ones."""


class YuNetSettings(CommonFaceSettings, frozen=True, kw_only=True, tag="yunet"):
    """OpenCV's small neural network, which also detects turned and tilted faces; it needs a model file."""

    detector_model: str
    """The ONNX file face_detection_yunet_2023mar.onnx from the OpenCV Zoo."""


FaceSettings = HaarSettings | YuNetSettings

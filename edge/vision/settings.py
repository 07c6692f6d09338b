"""The `[faces]` table of the agent's settings: a struct for each face detector."""

from typing import Annotated

from msgspec import Meta, Struct


class CommonFaceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="detector"):
    """The settings of every detector: how faces are detected, followed and cropped."""

    detect_every: Annotated[int, Meta(ge=1, le=30)] = 10
    """Search the whole of at least every n-th frame for faces, and in between only around the known faces, which takes
    a third of the time. Where something else moves or a known face is not found, the whole frame is searched at once.
    1 searches the whole of every frame."""
    min_crop_px: Annotated[int, Meta(ge=12)] = 16
    """Faces smaller than this in the camera's frame, in pixels, are skipped and counted. This and the next five are
    gates: faces that the model cannot read are not guessed. Their defaults skip what it reads right in less than six
    of ten cases, and at most one clean face in two hundred: measured by benchmarks/gates.py."""
    min_sharpness: Annotated[float, Meta(ge=0.0)] = 6.0
    """Crops more blurred than this, by focus or by motion, are skipped and counted."""
    min_signal_to_noise: Annotated[float, Meta(ge=0.0)] = 0.8
    """Crops with less contrast than this, in multiples of the camera's noise, are too dark: skipped and counted."""
    min_mouth_texture: Annotated[float, Meta(ge=0.0)] = 0.35
    """Faces with less texture around the mouth than this, in multiples of that around the eyes, are covered, as by a
    medical mask: skipped and counted."""
    max_cut_off: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.35
    """Faces that are cut off by the image's edge by more than this fraction are skipped and counted. Only YuNet finds
    such faces."""
    max_turn: Annotated[float, Meta(gt=0.0)] = 1.0
    """Faces turned further to the side than this, in profile, are skipped and counted: the distance of the tip of the
    nose from the middle between the eyes, in distances of the eyes. The default is lenient: of the faces that are
    turned less, the model reads seven of ten. Only YuNet finds such faces."""


class YuNetSettings(CommonFaceSettings, frozen=True, kw_only=True, tag="yunet"):
    """OpenCV's small neural network, which also detects turned, tilted and distant faces."""

    working_width: Annotated[int, Meta(ge=64)] = 320
    """Frames are scaled down to this width for detection; faces are cropped from the full frame."""
    min_face_px: Annotated[int, Meta(ge=8)] = 8
    """Side of the smallest face to detect, in pixels of the scaled frame."""
    min_score: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.6
    """Confidence from which on something is a face; a higher value means fewer false faces and more missed ones."""
    margin: Annotated[float, Meta(ge=-0.3, le=1.0)] = 0.05
    """Margin added to each side of the box, as a fraction of its width. The default is in the middle of where the
    model's accuracy does not depend on it: measured by benchmarks/crop.py."""
    detector_model: str | None = None
    """Another ONNX file than the face_detection_yunet_2023mar.onnx that ships with mien."""


class HaarSettings(CommonFaceSettings, frozen=True, kw_only=True, tag="haar"):
    """OpenCV's Haar cascade, which detects frontal faces and comes with OpenCV 4."""

    working_width: Annotated[int, Meta(ge=64)] = 640
    """Frames are scaled down to this width for detection. At 320 the cascade takes a third of the time, but detects
    only seven of ten faces instead of nearly nine: measured by benchmarks/detection.py."""
    min_face_px: Annotated[int, Meta(ge=24)] = 40
    """Side of the smallest face to detect, in pixels of the scaled frame; the cascade needs at least 24."""
    min_neighbors: Annotated[int, Meta(ge=1)] = 3
    """Overlapping detections needed to accept a face; a higher value means fewer false faces and more missed ones."""
    margin: Annotated[float, Meta(ge=-0.3, le=1.0)] = 0.02
    """Margin added to each side of the box, as a fraction of its width. The default gives crops like those of FER-2013:
    measured by benchmarks/crop.py."""


FaceSettings = YuNetSettings | HaarSettings

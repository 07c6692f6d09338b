"""What one frame says about where the camera hangs: its light, and the size, light, sharpness and pose of its faces."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median
from typing import Self

from mien.edge.camera.frame import Frame
from mien.edge.vision.gates import Reason, check_crop, check_face, mouth_texture, signal_to_noise, turn
from mien.edge.vision.settings import FaceSettings
from mien.face_detection.crop import crop_face
from mien.face_detection.detector import FaceDetector
from mien.face_detection.face import Face
from mien.model.preprocessing import preprocess, sharpness

from .sketch import Sketch, draw_sketch


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceMeasures:
    """What is measured of a face; see `mien.edge.vision.gates`."""

    side_px: float
    cut_off: float
    turn: float
    roll_degrees: float
    brightness: float
    """The mean, of 255."""
    sharpness: float
    signal_to_noise: float
    mouth_texture: float

    @classmethod
    def median(cls, measures: Sequence[Self]) -> Self:
        """The median of each measure."""
        return cls(**{each.name: median(getattr(one, each.name) for one in measures) for each in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceReading:
    """A face in a frame."""

    box_fractions: tuple[float, float, float, float]
    """Left, top, width and height, as fractions of the frame."""
    problem: Reason | None
    """Why the agent would not classify it; None if it would."""
    measures: FaceMeasures


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReading:
    """A frame, without its image."""

    width: int
    height: int
    brightness: float
    """The mean, of 255."""
    contrast: float
    """The standard deviation of brightness."""
    faces: list[FaceReading]
    """Largest first."""
    sketch: Sketch


def read_frame(frame: Frame, detector: FaceDetector, settings: FaceSettings) -> FrameReading:
    """Measure a frame; nothing is classified."""
    faces = detector.detect(frame.image)
    height, width = frame.gray.shape
    return FrameReading(
        width=width,
        height=height,
        brightness=float(frame.gray.mean()),
        contrast=float(frame.gray.std()),
        faces=[_read_face(face, frame, settings) for face in faces],
        sketch=draw_sketch(frame.gray, [face.box for face in faces]),
    )


def _read_face(face: Face, frame: Frame, settings: FaceSettings) -> FaceReading:
    crop = crop_face(frame.gray, face)
    preprocessed = preprocess(crop)
    return FaceReading(
        box_fractions=face.box.to_fractions(frame.gray),
        problem=check_face(face, settings) or check_crop(preprocessed, settings),
        measures=FaceMeasures(
            side_px=face.box.side,
            cut_off=face.cut_off,
            turn=turn(face),
            roll_degrees=face.roll_degrees,
            brightness=float(crop.mean()),
            sharpness=sharpness(preprocessed),
            signal_to_noise=signal_to_noise(preprocessed),
            mouth_texture=mouth_texture(preprocessed),
        ),
    )

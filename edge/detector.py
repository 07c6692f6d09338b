"""The face detector that the settings name."""

from pathlib import Path

from mien.faces import FaceDetector, HaarDetector

from .following import FollowingDetector
from .settings import Faces
from .yunet import YuNetDetector


def open_detector(settings: Faces) -> FaceDetector:
    """ModelError if its model cannot be read."""
    looks = _looking(settings)
    return looks if settings.every == 1 else FollowingDetector(looks, every=settings.every)


def _looking(settings: Faces) -> FaceDetector:
    if settings.detector == "yunet":
        assert settings.detector_model is not None  # the settings have checked it
        return YuNetDetector(
            Path(settings.detector_model),
            working_width=settings.working_width,
            smallest=settings.smallest,
            margin=settings.margin,
        )
    return HaarDetector(
        working_width=settings.working_width,
        smallest=settings.smallest,
        neighbours=settings.neighbours,
        margin=settings.margin,
    )

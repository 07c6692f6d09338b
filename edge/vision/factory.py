"""Opens the face detector and the classifier that the settings name."""

import logging
from pathlib import Path

from mien.errors import ConfigurationError, ModelError
from mien.face_detection.detector import FaceDetector
from mien.face_detection.haar import HaarDetector
from mien.face_detection.yunet import YUNET_MODEL, YuNetDetector
from mien.model.classifier import Classifier
from mien.model.model_card import DEFAULT_MODEL

from .settings import FaceSettings, HaarSettings, YuNetSettings

log = logging.getLogger(__name__)


def open_detector(settings: FaceSettings) -> FaceDetector:
    """The face detector. ModelError if its model cannot be read, ConfigurationError if this OpenCV does not have it."""
    match settings:
        case HaarSettings():
            return HaarDetector(
                working_width=settings.working_width,
                min_face_px=settings.min_face_px,
                min_neighbors=settings.min_neighbors,
                margin=settings.margin,
            )
        case YuNetSettings():
            return YuNetDetector(
                Path(settings.detector_model) if settings.detector_model else YUNET_MODEL,
                working_width=settings.working_width,
                min_face_px=settings.min_face_px,
                min_score=settings.min_score,
                margin=settings.margin,
            )


def open_detector_or_fallback(settings: FaceSettings) -> tuple[FaceDetector, str]:
    """The face detector, or the Haar cascade if that one's model cannot be read; and the error if so.

    A device on a wall that lost a file continues with what it has. ModelError if there is no cascade either.
    """
    try:
        return open_detector(settings), ""
    except ModelError as error:
        try:
            detector = HaarDetector()
        except ConfigurationError:
            raise error from None
        log.error("%s; detecting faces with the Haar cascade until then", error)
        return detector, str(error)


def open_classifier(model: str | None) -> tuple[Classifier, str]:
    """The classifier for the named model, or for the default one if none is named or it is broken; and the error if so.

    A device on a wall that receives a broken file continues with the model it shipped with, and every observation names
    the model it is from. ModelError if the default model cannot be used either.
    """
    if model is None:
        return Classifier(DEFAULT_MODEL), ""
    try:
        return Classifier(Path(model)), ""
    except ModelError as error:
        log.error("%s; using the model that ships with mien until then", error)
        return Classifier(DEFAULT_MODEL), str(error)

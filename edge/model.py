"""The model that the settings name, or the one that ships where that cannot be used."""

import logging
from pathlib import Path

from mien.card import DEFAULT_MODEL
from mien.classifier import Classifier
from mien.errors import ModelError

log = logging.getLogger(__name__)


def open_classifier(model: str | None) -> tuple[Classifier, str]:
    """The classifier, and what is wrong with the model that was named; empty if nothing is.

    A device on a wall that gets a broken file goes on with what it came with, and every observation says which model
    it is by. ModelError if that one cannot be used either.
    """
    if model is None:
        return Classifier(DEFAULT_MODEL), ""
    try:
        return Classifier(Path(model)), ""
    except ModelError as error:
        log.error("%s; until then the model that ships stands in", error)
        return Classifier(DEFAULT_MODEL), str(error)

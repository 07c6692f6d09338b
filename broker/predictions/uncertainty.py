"""Which predictions are shown as uncertain: those below the confidence threshold of the model that made them."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

from mien.errors import UsageError
from mien.model import uncertainty
from mien.model.model_card import DEFAULT_MODEL, read_model

THRESHOLD_PATTERN = r"^[0-9a-f]{12}=(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$(?!\n)"
"""A model's threshold as people write it, such as 5891a6870824=0.65."""


@cache
def shipped_thresholds() -> Mapping[str, float]:
    """The threshold of the model that mien ships with, by the model's name in observations; empty if it has none.

    ModelError if the shipped model's file is damaged.
    """
    _, card = read_model(DEFAULT_MODEL)
    return MappingProxyType({} if card.threshold is None else {card.model_id: card.threshold.confidence})


def parse_thresholds(texts: Iterable[str]) -> dict[str, float]:
    """The thresholds of models, written MODEL=CONFIDENCE. UsageError if one is not."""
    thresholds = {}
    for text in texts:
        if not re.match(THRESHOLD_PATTERN, text):
            raise UsageError(
                f"{text!r} is not a model's threshold: write the model as in emotion_log, then the confidence, such as "
                "5891a6870824=0.65",
                field="threshold",
            )
        model, _, confidence = text.partition("=")
        thresholds[model] = float(confidence)
    return thresholds


def shown_emotion(emotion: str, confidence: float, model: str, thresholds: Mapping[str, float]) -> str:
    """The emotion, or `uncertain` if the confidence is below the model's threshold; a model without one is never."""
    return uncertainty.shown_emotion(emotion, confidence, thresholds.get(model, 0.0))

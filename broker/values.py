"""How a value of an observation stands in the tables: all of them whole numbers."""

from datetime import datetime

from mien.emotions import EMOTIONS

from .schema import SCALE

NUMBERS = {emotion: number for number, emotion in enumerate(EMOTIONS)}
"""Emotions by their place in EMOTIONS."""


def milliseconds(at: datetime) -> int:
    """Since 1970."""
    return round(at.timestamp() * 1000)


def scaled(fraction: float) -> int:
    """A score, a confidence or a side of a box, in 1/SCALE."""
    return round(fraction * SCALE)

"""The seven emotions, in FER-2013's order, which every score vector in mien follows."""

from typing import Literal, get_args

Emotion = Literal["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
"""The label an observer would give to an expression; not what the person feels."""

EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)
"""All emotions; an emotion's index here is its FER-2013 class number and its index in every score vector."""

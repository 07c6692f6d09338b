"""What people read of a prediction: its emotion, or that the model does not know.

"Uncertain" is no eighth emotion: observations are sent, stored and counted as one of the seven, and only what people
read is derived from a threshold.
"""

UNCERTAIN = "uncertain"


def shown_emotion(emotion: str, confidence: float, threshold: float) -> str:
    """The emotion, or UNCERTAIN if the confidence is below the threshold of the model that made the prediction."""
    return UNCERTAIN if confidence < threshold else emotion

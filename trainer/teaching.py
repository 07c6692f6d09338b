"""Targets from a teacher: a larger network's answers, half of what a smaller one learns from."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .batches import network_input
from .keras_model import load_keras_model, scores_of


def taught(targets: NDArray[np.float32], pictures: NDArray[np.uint8], teacher: Path) -> NDArray[np.float32]:
    """(count, 7) targets of which half are the teacher's scores, each the mean over a picture and its mirror image.

    Knowledge distillation (Hinton et al., 2015) at temperature 1, since a calibrated teacher needs no softening. The
    teacher looks once at each (48, 48) picture as it is, not at every augmented one: that would cost more than the
    training. ModelError if `teacher` is not a Keras model.
    """
    model = load_keras_model(teacher)
    inputs = network_input(pictures)
    scores = (scores_of(model, inputs) + scores_of(model, inputs[:, :, ::-1])) / 2
    return ((targets + scores) / 2).astype(np.float32)

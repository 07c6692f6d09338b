"""Knowledge distillation: half of what a network learns are the predictions of a teacher."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.trainer.data.batches import to_network_input
from mien.trainer.models.inference import load_keras_model, predict_scores


def distilled_targets(targets: NDArray[np.float32], images: NDArray[np.uint8], teacher: Path) -> NDArray[np.float32]:
    """(count, 7) means of `targets` and the teacher's scores, averaged over each image and its mirror image.

    Knowledge distillation (Hinton et al., 2015) at temperature 1, since a calibrated teacher needs no softening. The
    teacher scores each (48, 48) image once, without augmentation: scoring every augmented image would cost more than
    the training. ModelError if `teacher` is not a Keras model.
    """
    model = load_keras_model(teacher)
    inputs = to_network_input(images)
    scores = (predict_scores(model, inputs) + predict_scores(model, inputs[:, :, ::-1])) / 2
    return ((targets + scores) / 2).astype(np.float32)

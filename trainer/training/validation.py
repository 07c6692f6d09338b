"""Scores the EMA of the weights on the held-out images after each epoch and saves the best."""

import csv
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from mien.trainer.data.batches import to_network_input
from mien.trainer.data.corruption import corrupt
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.targets import target_distributions
from mien.trainer.models.inference import predict_scores
from mien.trainer.output_file import output_file
from mien.trainer.recipe import Recipe
from mien.trainer.run_folder import RunFolder

from .ema import WeightEma

HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "held_out_loss", "held_out_accuracy", "held_out_macro_f1")


def validation_set(held_out: Dataset, recipe: Recipe) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The images, (count, 48, 48), and targets, (count, 7), on which a run chooses its best epoch.

    A recipe with corruptions is to make a model that withstands them: each held-out image then counts twice, as it is
    and corrupted, always in the same way. On clean images alone, an epoch that has not learned to withstand anything
    may be the best.
    """
    targets = target_distributions(held_out, recipe.labels)
    if not recipe.corruption_probability:
        return held_out.images, targets
    random = np.random.default_rng(recipe.seed)
    corrupted = np.stack([corrupt(image, random) for image in held_out.images])
    return np.concatenate([held_out.images, corrupted]), np.concatenate([targets, targets])


class Validation(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Adds three metrics to each epoch's logs, writes the history and saves the best model so far.

    The best is the one with the highest accuracy, the last one among equals. Accuracy is the mean share of the target
    that the predicted emotion has: against labels the usual accuracy, against votes the share of people who agree.
    """

    def __init__(self, run: RunFolder, images: NDArray[np.uint8], targets: NDArray[np.float32]) -> None:
        super().__init__()
        self._run = run
        self._inputs = to_network_input(images)
        self._targets = targets
        self._rows: list[dict[str, Any]] = []

    def load_history(self, *, before_epoch: int) -> None:
        """Load the history of the epochs before `before_epoch`; later ones are trained again."""
        if self._run.history_file.exists():
            with self._run.history_file.open(newline="") as text:
                self._rows = [row for row in csv.DictReader(text) if int(row["epoch"]) < before_epoch]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._ema = WeightEma(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        ema_model = self._ema.update()
        scores = predict_scores(ema_model, self._inputs)
        predictions, labels = scores.argmax(axis=1), self._targets.argmax(axis=1)
        logs["held_out_loss"] = float(-(self._targets * np.log(np.maximum(scores, 1e-7))).sum(axis=1).mean())
        logs["held_out_accuracy"] = float(self._targets[np.arange(len(predictions)), predictions].mean())
        logs["held_out_macro_f1"] = float(
            f1_score(labels, predictions, labels=np.unique(labels), average="macro", zero_division=0.0)
        )
        if logs["held_out_accuracy"] >= max((float(row["held_out_accuracy"]) for row in self._rows), default=0.0):
            with output_file(self._run.best_file) as part:
                ema_model.save(part)
        self._rows.append({"epoch": epoch, **{name: logs[name] for name in HISTORY_COLUMNS[1:]}})
        with output_file(self._run.history_file) as part, part.open("w", newline="") as text:
            writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)

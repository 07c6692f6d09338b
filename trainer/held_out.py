"""Scores the weight average after each epoch on the pictures held out, and keeps the best."""

import csv
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from .average import WeightAverage
from .batches import network_input
from .keras_model import scores_of
from .run import Run
from .whole_file import written_whole

COLUMNS = ("epoch", "loss", "accuracy", "held_out_loss", "held_out_accuracy", "held_out_macro_f1")


class HeldOut(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Adds three figures to each epoch's logs, writes the history, and keeps the best model so far.

    The best is the one with the highest accuracy; of equals the last. Accuracy is the mean share of a target that falls
    on the answer: against labels the usual one, against votes the share of people who would agree.
    """

    def __init__(self, run: Run, pictures: NDArray[np.uint8], targets: NDArray[np.float32]) -> None:
        super().__init__()
        self._run = run
        self._pictures = network_input(pictures)
        self._targets = targets
        self._rows: list[dict[str, Any]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._average = WeightAverage(self.model)

    def begin_at(self, epoch: int) -> None:
        """Go on with the history up to, not including, `epoch`: what stands later is done again."""
        if self._run.history_file.exists():
            with self._run.history_file.open(newline="") as text:
                self._rows = [row for row in csv.DictReader(text) if int(row["epoch"]) < epoch]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        average = self._average.take()
        scores = scores_of(average, self._pictures)
        answers, labels = scores.argmax(axis=1), self._targets.argmax(axis=1)
        logs["held_out_loss"] = float(-(self._targets * np.log(np.maximum(scores, 1e-7))).sum(axis=1).mean())
        logs["held_out_accuracy"] = float(self._targets[np.arange(len(answers)), answers].mean())
        there = np.unique(labels)
        logs["held_out_macro_f1"] = float(f1_score(labels, answers, labels=there, average="macro", zero_division=0.0))
        if logs["held_out_accuracy"] >= max((float(row["held_out_accuracy"]) for row in self._rows), default=0.0):
            with written_whole(self._run.best_file) as part:
                average.save(part)
        self._rows.append({"epoch": epoch, **{name: logs[name] for name in COLUMNS[1:]}})
        with written_whole(self._run.history_file) as part, part.open("w", newline="") as text:
            writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)

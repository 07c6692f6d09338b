"""Shows a run's progress: a bar on a terminal, otherwise a line per epoch, and curves for TensorBoard."""

from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mien.errors import MissingExtra
from mien.progress import create_progress


class TrainingProgress(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Shows epoch, batches, loss, accuracy and the remaining time; prints a permanent line after each epoch."""

    def __init__(self, console: Console, network: str) -> None:
        super().__init__()
        self._console = console
        self._network = network
        self._progress = create_progress(
            TextColumn(f"{network}, epoch {{task.fields[epoch]}}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}, accuracy {task.fields[accuracy]:.3f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=False,
        )
        self._task = self._progress.add_task("", total=None, epoch="", loss=0.0, accuracy=0.0)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._progress.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._progress.reset(self._task, total=self.params["steps"], epoch=f"{epoch + 1}/{self.params['epochs']}")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        self._progress.update(self._task, completed=batch + 1, loss=logs["loss"], accuracy=logs.get("accuracy", 0.0))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        scores = "".join(
            f"{label} {logs[name]:.4f}"
            for name, label in (("loss", "loss"), ("accuracy", ", accuracy"), ("held_out_accuracy", "; held out"))
            if name in logs  # an autoencoder has only its loss
        )
        self._console.print(
            f"{self._network}, epoch {epoch + 1}/{self.params['epochs']}: {scores}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.stop()

    def stop(self) -> None:
        """Release the terminal; call it also when the training is aborted."""
        self._progress.stop()


def create_tensorboard_callback(folder: Path) -> keras.callbacks.Callback:
    """Writes each epoch's metrics for TensorBoard. MissingExtra if TensorFlow, which writes them, is not installed."""
    try:
        return keras.callbacks.TensorBoard(folder, write_graph=False)
    except ImportError as error:
        raise MissingExtra("TensorBoard curves need tensorflow: pip install 'mien[trainer]'") from error

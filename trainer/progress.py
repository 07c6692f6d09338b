"""A training run's progress: a bar on a terminal, a line an epoch elsewhere, curves for TensorBoard."""

from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mien.errors import MissingExtra


class TrainingProgress(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Shows epoch, batches, loss, accuracy and the time left; after each epoch one line that stays."""

    def __init__(self, console: Console, network: str) -> None:
        super().__init__()
        self._console = console
        self._network = network
        self._progress = Progress(
            TextColumn(f"{network}, epoch {{task.fields[epoch]}}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}, accuracy {task.fields[accuracy]:.3f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, epoch="", loss=0.0, accuracy=0.0)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._progress.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._progress.reset(self._task, total=self.params["steps"], epoch=f"{epoch + 1}/{self.params['epochs']}")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        self._progress.update(self._task, completed=batch + 1, loss=logs["loss"], accuracy=logs["accuracy"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        self._console.print(
            f"{self._network}, epoch {epoch + 1}/{self.params['epochs']}: loss {logs['loss']:.4f}, "
            f"accuracy {logs['accuracy']:.4f}; held out {logs['held_out_accuracy']:.4f}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.stop()

    def stop(self) -> None:
        """Give the terminal back; to be called where a training breaks off, too."""
        self._progress.stop()


def tensorboard_curves(folder: Path) -> keras.callbacks.Callback:
    """Writes each epoch's figures for TensorBoard. MissingExtra where Keras has no TensorFlow to write them with."""
    try:
        return keras.callbacks.TensorBoard(folder, write_graph=False)
    except ImportError as error:
        raise MissingExtra("TensorBoard's curves need tensorflow: pip install 'mien[trainer]'") from error

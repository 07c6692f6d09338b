"""Trains one network on one dataset, epoch by epoch, so that a killed run goes on where its last epoch ended."""

import math
from pathlib import Path
from typing import Any

import keras

from mien.errors import TrainingError

from .augmentation import Augmentation
from .batches import Batches, network_input, one_hot
from .dataset import Dataset
from .keras_model import load_keras_model
from .networks import NETWORKS
from .run import Run
from .settings import Recipe
from .whole_file import written_whole


def train(run: Run, recipe: Recipe, data: Dataset, watched: Dataset, callbacks: list[keras.callbacks.Callback]) -> None:
    """Train to the end of the recipe, from the run's checkpoint if it has one, and leave `run.model_file`.

    `watched` is scored after each epoch for the history and decides nothing. The model is the exponential moving
    average of the weights (Polyak averaging), after the last epoch. TrainingError if the loss stops being a number:
    the last good checkpoint stays.
    """
    keras.utils.set_random_seed(recipe.seed)
    batches = Batches(
        data,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        augmentation=Augmentation(
            rotation_degrees=recipe.rotation_degrees,
            scale=recipe.scale,
            shift_pixels=recipe.shift_pixels,
            erased_share=recipe.erased_share,
        ),
    )
    if run.checkpoint_file.exists():
        model = keras.models.load_model(run.checkpoint_file)
    else:
        model = _compiled(recipe, steps_per_epoch=len(batches))
    first_epoch = int(model.optimizer.iterations) // len(batches)
    model.fit(
        batches,
        epochs=recipe.epochs,
        initial_epoch=first_epoch,
        shuffle=False,
        validation_data=(network_input(watched.pictures), one_hot(watched.labels)),
        validation_batch_size=256,
        verbose=0,
        callbacks=[
            _Epoch(batches),
            _StopOnNaN(run),
            keras.callbacks.CSVLogger(run.history_file, append=first_epoch > 0),
            _Checkpoint(run),
            *callbacks,
        ],
    )
    with written_whole(run.model_file) as part:
        model.save(part)


def _compiled(recipe: Recipe, *, steps_per_epoch: int) -> keras.Model:
    model = NETWORKS[recipe.network]()
    if recipe.start:
        started = load_keras_model(Path(recipe.start))
        if [weight.shape for weight in started.weights] != [weight.shape for weight in model.weights]:
            raise TrainingError(f"{recipe.start} is not a {recipe.network}: start from a model of the same network")
        model.set_weights(started.get_weights())
    warmup_steps = round(recipe.warmup_epochs * steps_per_epoch)
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20,
        decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup_steps),
        alpha=0.01,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=recipe.weight_decay, use_ema=True, ema_momentum=recipe.average_momentum
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


class _Epoch(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Tells the batches which epoch it is."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches.epoch = epoch


class _StopOnNaN(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            kept = f"; {self._run.checkpoint_file} is the last good epoch" if self._run.checkpoint_file.exists() else ""
            raise TrainingError(f"the loss is no longer a number at batch {batch}: lower --learning-rate{kept}")


class _Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        with written_whole(self._run.checkpoint_file) as part:
            self.model.save(part)

"""Fits one network in epochs, so that a killed run can be resumed after its last complete epoch."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from mien.errors import TrainingError
from mien.trainer.data.batches import Batches
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.targets import image_weights
from mien.trainer.models.growth import copy_weights
from mien.trainer.models.inference import load_keras_model
from mien.trainer.models.networks import NETWORKS
from mien.trainer.models.pretrained import load_backbone_weights
from mien.trainer.output_file import output_file
from mien.trainer.recipe import Recipe
from mien.trainer.run_folder import RunFolder

from .validation import Validation, validation_set

CreateCallbacks = Callable[[str], list[keras.callbacks.Callback]]
"""From a network's name to the callbacks that follow its training: progress, TensorBoard."""


def fit_network(
    run: RunFolder,
    recipe: Recipe,
    images: NDArray[np.uint8],
    targets: NDArray[np.float32],
    held_out: Dataset,
    create_callbacks: CreateCallbacks,
) -> keras.Model:
    """Train the recipe's network on (count, 48, 48) images and (count, 7) targets; the best model on `held_out`.

    From the run's checkpoint if it has one. TrainingError if the loss is no longer a number or the disk is full, or
    if `init_from` is another network.
    """
    keras.utils.set_random_seed(recipe.seed)
    batches = Batches(images, targets, image_weights(targets, recipe.class_weighting), recipe)
    if run.checkpoint_file.exists():
        model = keras.models.load_model(run.checkpoint_file)
        # the run may have got more epochs since
        model.optimizer.learning_rate = learning_rate_schedule(recipe, recipe.epochs, steps_per_epoch=len(batches))
        model.optimizer.ema_momentum = _ema_momentum(recipe, steps_per_epoch=len(batches))
    else:
        model = initial_network(run, recipe)
        optimizer = keras.optimizers.AdamW(
            learning_rate_schedule(recipe, recipe.epochs, steps_per_epoch=len(batches)),
            weight_decay=recipe.weight_decay,
            use_ema=True,
            ema_momentum=_ema_momentum(recipe, steps_per_epoch=len(batches)),
        )
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
        model.compile(optimizer, loss, metrics=["accuracy"])
    first_epoch = int(model.optimizer.iterations) // len(batches)
    validation = Validation(run, *validation_set(held_out, recipe))
    validation.load_history(before_epoch=first_epoch)
    callbacks = [validation, *create_callbacks(recipe.network)]
    fit_epochs(model, batches, run, callbacks, epochs=recipe.epochs, first_epoch=first_epoch)
    return load_keras_model(run.best_file)


def fit_epochs(
    model: keras.Model,
    batches: Batches,
    run: RunFolder,
    callbacks: list[keras.callbacks.Callback],
    *,
    epochs: int,
    first_epoch: int,
) -> None:
    """Fit a compiled model to the end of `epochs`, with a checkpoint in the run's folder after each.

    TrainingError if the loss is no longer a number: the last good checkpoint stays.
    """
    model.fit(
        batches,
        epochs=epochs,
        initial_epoch=first_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[_EpochSetter(batches), _StopOnNaN(run), *callbacks, _CheckpointWriter(run)],
    )


def initial_network(run: RunFolder, recipe: Recipe) -> keras.Model:
    """The recipe's network with the weights it starts from. TrainingError if `init_from` is another network."""
    model = NETWORKS[recipe.network]()
    if recipe.backbone_weights:
        load_backbone_weights(model, run.locate(recipe.backbone_weights))
    if recipe.init_from:
        model_file = run.locate(recipe.init_from)
        if not copy_weights(load_keras_model(model_file), model):
            raise TrainingError(f"{model_file} is not a {recipe.network}: give --init-from a model of the same network")
    return model


def learning_rate_schedule(
    recipe: Recipe, epochs: int, *, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A linear rise, then the cosine, over all of the epochs (Loshchilov and Hutter, 2017)."""
    warmup_steps = round(recipe.warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20,
        decay_steps=max(1, epochs * steps_per_epoch - warmup_steps),
        alpha=0.01,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup_steps,
    )


def _ema_momentum(recipe: Recipe, *, steps_per_epoch: int) -> float:
    """In a short run, an EMA over more than a tenth of it would still contain the random initial weights."""
    return min(recipe.ema_momentum, max(0.0, 1 - 10 / (recipe.epochs * steps_per_epoch)))


class _EpochSetter(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Sets the current epoch of the batches."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches.epoch = epoch


class _StopOnNaN(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self._run = run

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            checkpoint = self._run.checkpoint_file
            init_from = f" --init-from {checkpoint}, the last good epoch," if checkpoint.exists() else ""
            raise TrainingError(
                f"the loss is no longer a number at batch {batch}: "
                f"start another run{init_from} with a lower --learning-rate"
            )


class _CheckpointWriter(keras.callbacks.Callback):  # type: ignore[misc]
    """Comes last in the list, so that an epoch with a checkpoint is complete."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self._run = run

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        with output_file(self._run.checkpoint_file) as part:
            self.model.save(part)

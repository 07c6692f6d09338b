"""Trains one network on one dataset, in epochs, so that a killed run can be resumed after its last complete epoch."""

import math
from collections.abc import Callable
from typing import Any

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.errors import TrainingError
from mien.trainer.data.batches import Batches
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.targets import image_weights, target_distributions
from mien.trainer.models.growth import copy_weights
from mien.trainer.models.inference import load_keras_model
from mien.trainer.models.networks import HERO_DEPTHS, NETWORKS, hero
from mien.trainer.output_file import output_file
from mien.trainer.recipe import Recipe
from mien.trainer.run_folder import RunFolder

from .distillation import distilled_targets
from .validation import Validation, validation_set

CreateCallbacks = Callable[[str], list[keras.callbacks.Callback]]
"""From a network's name to the callbacks that follow its training: progress, TensorBoard."""


def train(
    run: RunFolder, recipe: Recipe, train_set: Dataset, held_out: Dataset, create_callbacks: CreateCallbacks
) -> keras.Model:
    """Train to the end of the recipe, from the run's checkpoint if it has one; returns the best model.

    The best is the exponential moving average of the weights (Polyak averaging) after the epoch with the highest
    accuracy on `held_out`, and on a corrupted copy of it if the recipe has corruptions. HERO's members are trained one
    after another in subfolders of the run. DataError if an emotion has no images. TrainingError if the loss is no
    longer a number or the disk is full: the last good checkpoint stays.
    """
    train_set.check_every_emotion()
    targets = target_distributions(train_set, recipe.labels)
    if recipe.teacher:
        targets = distilled_targets(targets, train_set.images, run.locate(recipe.teacher))
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if recipe.mixed_precision else "float32")
    try:
        if recipe.network == "hero":
            weights = _train_members(run, recipe, train_set, targets, held_out, create_callbacks)
        else:
            callbacks = create_callbacks(recipe.network)
            weights = _fit(run, recipe, train_set.images, targets, held_out, callbacks).get_weights()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model = NETWORKS[recipe.network]()
    model.set_weights(weights)
    return model


def _train_members(
    run: RunFolder,
    recipe: Recipe,
    train_set: Dataset,
    targets: NDArray[np.float32],
    held_out: Dataset,
    create_callbacks: CreateCallbacks,
) -> list[NDArray[np.float32]]:
    """Train each of HERO's networks by the same recipe with a different seed; returns the weights of their ensemble."""
    members = []
    for depth in HERO_DEPTHS:
        name = f"hero-{depth}"
        member_run = RunFolder(run.path / name)
        member_run.path.mkdir(parents=True, exist_ok=True)
        member_recipe = msgspec.structs.replace(recipe, network=name, seed=recipe.seed + depth)
        members.append(_fit(member_run, member_recipe, train_set.images, targets, held_out, create_callbacks(name)))
    weights: list[NDArray[np.float32]] = hero(members).get_weights()
    return weights


def _fit(
    run: RunFolder,
    recipe: Recipe,
    images: NDArray[np.uint8],
    targets: NDArray[np.float32],
    held_out: Dataset,
    callbacks: list[keras.callbacks.Callback],
) -> keras.Model:
    keras.utils.set_random_seed(recipe.seed)
    batches = Batches(images, targets, image_weights(targets, recipe.class_weighting), recipe)
    if run.checkpoint_file.exists():
        model = keras.models.load_model(run.checkpoint_file)
        # the run may have got more epochs since
        model.optimizer.learning_rate = _learning_rate(recipe, steps_per_epoch=len(batches))
        model.optimizer.ema_momentum = _ema_momentum(recipe, steps_per_epoch=len(batches))
    else:
        model = _create_model(run, recipe, steps_per_epoch=len(batches))
    first_epoch = int(model.optimizer.iterations) // len(batches)
    validation = Validation(run, *validation_set(held_out, recipe))
    validation.load_history(before_epoch=first_epoch)
    model.fit(
        batches,
        epochs=recipe.epochs,
        initial_epoch=first_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[_EpochSetter(batches), _StopOnNaN(run), validation, *callbacks, _CheckpointWriter(run)],
    )
    return load_keras_model(run.best_file)


def _create_model(run: RunFolder, recipe: Recipe, *, steps_per_epoch: int) -> keras.Model:
    """The recipe's network, compiled, with initial weights. TrainingError if `init_from` is another network."""
    model = NETWORKS[recipe.network]()
    if recipe.init_from:
        model_file = run.locate(recipe.init_from)
        if not copy_weights(load_keras_model(model_file), model):
            raise TrainingError(f"{model_file} is not a {recipe.network}: give --init-from a model of the same network")
    optimizer = keras.optimizers.AdamW(
        _learning_rate(recipe, steps_per_epoch=steps_per_epoch),
        weight_decay=recipe.weight_decay,
        use_ema=True,
        ema_momentum=_ema_momentum(recipe, steps_per_epoch=steps_per_epoch),
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def _learning_rate(recipe: Recipe, *, steps_per_epoch: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """A linear rise, then the cosine, over all of the recipe's epochs (Loshchilov and Hutter, 2017)."""
    warmup_steps = round(recipe.warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20,
        decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup_steps),
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

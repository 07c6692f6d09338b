"""Trains one network on one dataset, epoch by epoch, so that a killed run goes on where its last epoch ended."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.errors import TrainingError

from .augmentation import Augmentation
from .batches import Batches
from .dataset import Dataset
from .held_out import HeldOut
from .keras_model import load_keras_model
from .networks import HERO_DEPTHS, NETWORKS, hero
from .run import Run
from .settings import Recipe
from .targets import picture_weights, targets
from .teaching import taught
from .whole_file import written_whole

Watch = Callable[[str], list[keras.callbacks.Callback]]
"""From a network's name to what watches its training: progress, TensorBoard."""


def train(run: Run, recipe: Recipe, learned: Dataset, held_out: Dataset, watch: Watch) -> keras.Model:
    """Train to the end of the recipe, from the run's checkpoint if it has one; the best model there was.

    The best: the exponential moving average of the weights (Polyak averaging) after the epoch that answered most of
    `held_out` rightly. HERO's members are trained one after the other, in folders of their own inside the run's.
    DataError if an emotion has no pictures. TrainingError if the loss stops being a number or the disk is full: the
    last good checkpoint stays.
    """
    learned.check_every_emotion()
    goals = targets(learned, recipe.labels)
    if recipe.teacher:
        goals = taught(goals, learned.pictures, Path(recipe.teacher))
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if recipe.mixed_precision else "float32")
    try:
        if recipe.network == "hero":
            weights = _train_members(run, recipe, learned, goals, held_out, watch)
        else:
            weights = _fit(run, recipe, learned.pictures, goals, held_out, watch(recipe.network)).get_weights()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model = NETWORKS[recipe.network]()
    model.set_weights(weights)
    return model


def _train_members(
    run: Run, recipe: Recipe, learned: Dataset, goals: NDArray[np.float32], held_out: Dataset, watch: Watch
) -> list[NDArray[np.float32]]:
    """Train each of HERO's networks by the same recipe, with a seed of its own; the weights of their ensemble."""
    members = []
    for depth in HERO_DEPTHS:
        name = f"hero-{depth}"
        member = Run(run.folder / name)
        member.folder.mkdir(parents=True, exist_ok=True)
        own = msgspec.structs.replace(recipe, network=name, seed=recipe.seed + depth)
        members.append(_fit(member, own, learned.pictures, goals, held_out, watch(name)))
    weights: list[NDArray[np.float32]] = hero(members).get_weights()
    return weights


def _fit(
    run: Run,
    recipe: Recipe,
    pictures: NDArray[np.uint8],
    goals: NDArray[np.float32],
    held_out: Dataset,
    watching: list[keras.callbacks.Callback],
) -> keras.Model:
    keras.utils.set_random_seed(recipe.seed)
    batches = Batches(
        pictures,
        goals,
        picture_weights(goals, recipe.class_weighting),
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        augmentation=Augmentation(
            rotation_degrees=recipe.rotation_degrees,
            scale=recipe.scale,
            shift_pixels=recipe.shift_pixels,
            erased_share=recipe.erased_share,
        ),
        mixup=recipe.mixup,
    )
    if run.checkpoint_file.exists():
        model = keras.models.load_model(run.checkpoint_file)
    else:
        model = _compiled(recipe, steps_per_epoch=len(batches))
    first_epoch = int(model.optimizer.iterations) // len(batches)
    choice = HeldOut(run, held_out.pictures, targets(held_out, recipe.labels))
    choice.begin_at(first_epoch)
    model.fit(
        batches,
        epochs=recipe.epochs,
        initial_epoch=first_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[_Epoch(batches), _StopOnNaN(run), choice, *watching, _Checkpoint(run)],
    )
    return load_keras_model(run.best_file)


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
    # An average over more than a tenth of a short run would still hold its random start.
    momentum = min(recipe.average_momentum, max(0.0, 1 - 10 / (recipe.epochs * steps_per_epoch)))
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, use_ema=True, ema_momentum=momentum)
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
            good = self._run.checkpoint_file
            kept = f" --from {good}, the last good epoch" if good.exists() else ""
            raise TrainingError(
                f"the loss is no longer a number at batch {batch}: begin another run{kept} with a lower --learning-rate"
            )


class _Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Stands last in the list: what it has written is over and done."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        with written_whole(self._run.checkpoint_file) as part:
            self.model.save(part)

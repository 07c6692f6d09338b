"""Trains what a recipe says on one dataset: a network, HERO's three, or a network that also labels images itself."""

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.trainer.data.dataset import Dataset
from mien.trainer.data.split import split_labelled
from mien.trainer.data.targets import smooth_along_confusions, target_distributions
from mien.trainer.models.networks import HERO_DEPTHS, NETWORKS, hero
from mien.trainer.recipe import Recipe
from mien.trainer.run_folder import RunFolder

from .distillation import distilled_targets
from .fitting import CreateCallbacks, fit_network
from .pretraining import pretrain
from .self_training import train_on_pseudo_labels


def train(
    run: RunFolder, recipe: Recipe, train_set: Dataset, held_out: Dataset, create_callbacks: CreateCallbacks
) -> keras.Model:
    """Train to the end of the recipe, from the run's checkpoint if it has one; returns the best model.

    The best is the exponential moving average of the weights (Polyak averaging) after the epoch with the highest
    accuracy on `held_out`, and on a corrupted copy of it if the recipe has corruptions. HERO's members, the
    autoencoder and each round of pseudo-labels are trained one after another in subfolders of the run. DataError if an
    emotion has no images. TrainingError if the loss is no longer a number or the disk is full: the last good checkpoint
    stays.
    """
    train_set.check_every_emotion()
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if recipe.mixed_precision else "float32")
    try:
        weights = _train_stages(run, recipe, train_set, held_out, create_callbacks)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model = NETWORKS[recipe.network]()
    model.set_weights(weights)
    return model


def _train_stages(
    run: RunFolder, recipe: Recipe, train_set: Dataset, held_out: Dataset, create_callbacks: CreateCallbacks
) -> list[NDArray[np.float32]]:
    """The weights of the trained network."""
    labelled, unlabelled = split_labelled(train_set, recipe.labelled_share, seed=recipe.seed)
    targets = target_distributions(labelled, recipe.labels)
    if recipe.confusion_smoothing:
        targets = smooth_along_confusions(targets, recipe.confusion_smoothing)
    if recipe.teacher:
        targets = distilled_targets(targets, labelled.images, run.locate(recipe.teacher))
    if recipe.network == "hero":
        return _train_members(run, recipe, labelled, targets, held_out, create_callbacks)
    if recipe.pretraining_epochs:
        recipe = pretrain(run, recipe, train_set.images, create_callbacks)
    if recipe.pseudo_label_rounds:
        model = train_on_pseudo_labels(run, recipe, labelled, targets, unlabelled, held_out, create_callbacks)
    else:
        model = fit_network(run, recipe, labelled.images, targets, held_out, create_callbacks)
    weights: list[NDArray[np.float32]] = model.get_weights()
    return weights


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
        member_run = run.subfolder(name)
        member_recipe = msgspec.structs.replace(recipe, network=name, seed=recipe.seed + depth)
        members.append(fit_network(member_run, member_recipe, train_set.images, targets, held_out, create_callbacks))
    weights: list[NDArray[np.float32]] = hero(members).get_weights()
    return weights

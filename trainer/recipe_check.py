"""Finds in a recipe what cannot go together."""

from mien.errors import UsageError

from .recipe import Recipe

PRETRAINED_NETWORKS = ("mobilenet-v2", "efficientnet-b0", "efficientnet-lite0")
"""Of `mien.trainer.models.pretrained`."""


def check_recipe(recipe: Recipe, *, has_ferplus: bool) -> None:
    """UsageError if fields of the recipe contradict each other or the data, with the way to fix it."""
    if recipe.network == "hero" and recipe.init_from:
        raise UsageError(
            "HERO's three networks start from random weights: leave --init-from out, or train hero-1 to hero-3"
        )
    if recipe.network == "hero" and (recipe.pretraining_epochs or recipe.pseudo_label_rounds):
        raise UsageError(
            "HERO's three networks learn from labels alone: leave --pretraining-epochs and --pseudo-label-rounds out, "
            "or train hero-1 to hero-3"
        )
    if recipe.network in PRETRAINED_NETWORKS and not (recipe.backbone_weights or recipe.init_from):
        raise UsageError(
            f"{recipe.network} starts from ImageNet weights, which mien does not download: give their file with "
            "--backbone-weights (docs/training.md says where they are)"
        )
    if recipe.backbone_weights and recipe.network not in PRETRAINED_NETWORKS:
        raise UsageError(
            f"{recipe.network} has no pretrained backbone: leave --backbone-weights out, or choose --network "
            f"{', '.join(PRETRAINED_NETWORKS)}"
        )
    if recipe.pretraining_epochs and recipe.network in (*PRETRAINED_NETWORKS, "bilstm"):
        raise UsageError(f"{recipe.network} has no convolutions of its own to pretrain: leave --pretraining-epochs out")
    if recipe.pseudo_label_rounds and recipe.labelled_share == 1:
        raise UsageError(
            "with all labels in use there is nothing left for --pseudo-label-rounds: give --labelled-share, say 0.1"
        )
    if recipe.labels != "fer" and not has_ferplus:
        raise UsageError(f"{recipe.labels} labels need FER+: give --ferplus the path of fer2013new.csv")

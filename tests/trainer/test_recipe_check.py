import pytest

from mien.errors import UsageError
from mien.trainer.recipe import ModelFile, Recipe
from mien.trainer.recipe_check import check_recipe

WEIGHTS = ModelFile("weights.h5")


@pytest.mark.parametrize(
    ("recipe", "problem"),
    [
        (Recipe(network="hero", init_from=WEIGHTS), "start from random weights"),
        (Recipe(network="hero", pretraining_epochs=1), "learn from labels alone"),
        (Recipe(network="mobilenet-v2"), "mien does not download: give their file with --backbone-weights"),
        (Recipe(network="cnn", backbone_weights=WEIGHTS), "leave --backbone-weights out, or choose --network"),
        (Recipe(network="bilstm", pretraining_epochs=1), "leave --pretraining-epochs out"),
        (Recipe(network="cnn", pseudo_label_rounds=1), "give --labelled-share"),
        (Recipe(labels="mix"), "give --ferplus"),
    ],
)
def test_a_contradiction_is_named_with_the_way_out(recipe: Recipe, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        check_recipe(recipe, has_ferplus=False)


def test_what_goes_together_passes() -> None:
    check_recipe(Recipe(network="efficientnet-lite0", backbone_weights=WEIGHTS), has_ferplus=False)
    check_recipe(
        Recipe(labels="mix", labelled_share=0.1, pseudo_label_rounds=2, pretraining_epochs=1), has_ferplus=True
    )

"""The recorded runs in trainer/runs: their recipes, and their scripts with a stub in place of `mien`."""

import os
import subprocess
from pathlib import Path

import msgspec
import pytest
from typer.main import get_command

from mien.cli import create_app
from mien.trainer.commands.recipe_options import explicit_options
from mien.trainer.recipe import Recipe
from mien.trainer.recipe_file import read_recipe

RUNS = Path(__file__).parents[2] / "trainer" / "runs"
STUB = """#!/usr/bin/env bash
printf '%s\\0' "$@" >> "$CALLS"
printf '\\n\\0' >> "$CALLS"
"""
"""Records its arguments."""


def run_script(script: Path, folder: Path, *arguments: str) -> list[list[str]]:
    """The arguments of each call of `mien` by a script."""
    stub, calls = folder / "mien", folder / "calls"
    stub.write_text(STUB)
    stub.chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls)}
    subprocess.run(["bash", str(script), *arguments], env=environment, cwd=folder, check=True, timeout=60)
    return [call.split("\0")[:-1] for call in calls.read_text().split("\n\0")[:-1]]


@pytest.mark.parametrize("file", sorted(RUNS.rglob("recipe.json")), ids=lambda file: file.parent.name)
def test_a_recorded_recipe_states_every_field(file: Path) -> None:
    read_recipe(file)
    assert msgspec.json.decode(file.read_bytes()).keys() == {field.name for field in msgspec.structs.fields(Recipe)}


@pytest.mark.parametrize("script", sorted(RUNS.rglob("run.sh")), ids=lambda script: script.parent.name)
def test_a_script_repeats_recorded_recipes_and_sets_only_data_folder_and_models(script: Path, tmp_path: Path) -> None:
    train = get_command(create_app()[0]).commands["train"]  # type: ignore[attr-defined]
    calls = run_script(script, tmp_path, "fer2013.csv", "fer2013new.csv", "out")
    contexts = [train.make_context("train", call[1:]) for call in calls if call[0] == "train"]
    recipe_files = [context.params["recipe_file"].resolve() for context in contexts]
    assert set(script.parent.rglob("recipe.json")) <= set(recipe_files)
    for context, file in zip(contexts, recipe_files, strict=True):
        recipe = read_recipe(file)
        options = explicit_options(context, {name: context.params[name] for name in msgspec.structs.asdict(recipe)})
        assert options.keys() <= {"init_from", "teacher"}
        for name in options:
            assert getattr(recipe, name), f"{file} has no {name}"
        for name in {"init_from", "teacher"} - options.keys():
            path = getattr(recipe, name)
            assert path is None or (file.parent / path).exists()


def test_the_comparison_accepts_another_number_of_epochs(tmp_path: Path) -> None:
    calls = run_script(RUNS / "comparison" / "run.sh", tmp_path, "fer2013.csv", "fer2013new.csv", "out", "100")
    training = [call for call in calls if call[0] == "train"]
    assert len(training) == 6
    assert all(call[call.index("--epochs") + 1] == "100" for call in training)

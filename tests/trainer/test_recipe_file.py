from pathlib import Path

import msgspec
import pytest

from mien.errors import UsageError
from mien.trainer.recipe import ModelFile, Recipe
from mien.trainer.recipe_file import compose_recipe, continue_recipe, read_recipe
from mien.trainer.run_folder import RunFolder


@pytest.fixture
def recorded(tmp_path: Path) -> RunFolder:
    """A run that started from one model file beside its folder, with another one as its teacher."""
    for name in ("start.keras", "teacher.keras"):
        (tmp_path / "models" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "models" / name).touch()
    run = RunFolder(tmp_path / "models" / "recorded")
    teacher = ModelFile(str(tmp_path / "models" / "teacher.keras"))
    run.create(Recipe(init_from=ModelFile("../start.keras"), teacher=teacher, epochs=7, seed=5), {})
    return run


def test_options_override_the_values_of_a_recipe(recorded: RunFolder, tmp_path: Path) -> None:
    options = {"epochs": 2, "teacher": None}
    recipe = compose_recipe(recorded.recipe_file, options, tmp_path / "models" / "run")
    assert recipe == msgspec.structs.replace(recorded.read_recipe(), epochs=2, teacher=None)


def test_relative_paths_lead_from_the_new_run_to_the_same_files(
    recorded: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "models")
    run = RunFolder(Path("..") / "a" / "deeper" / "run")
    recipe = compose_recipe(recorded.path, {}, run.path)
    assert recipe.init_from == "../../../models/start.keras"
    assert recipe.teacher == str(tmp_path / "models" / "teacher.keras")
    composed = compose_recipe(None, {"init_from": "start.keras"}, run.path)
    assert composed == Recipe(init_from=recipe.init_from)
    assert run.locate(recipe.init_from) == tmp_path / "models" / "start.keras"


def test_an_unfinished_run_takes_more_epochs_and_no_other_change(
    recorded: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = recorded.read_recipe()
    same = {"seed": 5, "init_from": "models/start.keras", "teacher": "models/../models/teacher.keras", "epochs": 7}
    assert continue_recipe(recipe, same, recorded.path) == continue_recipe(recipe, {}, recorded.path) == recipe
    assert continue_recipe(recipe, {"epochs": 9}, recorded.path) == msgspec.structs.replace(recipe, epochs=9)
    different = {"epochs": 6, "network": "cnn", "init_from": None, "teacher": "models/start.keras", "seed": 5}
    message = (
        r"recorded was started with other values of --epochs \(it has 7\), --network \(it has cnn-bilstm\), "
        r"--init-from \(it has ../start.keras\), --teacher \(it has .*teacher.keras\): leave these options out"
    )
    with pytest.raises(UsageError, match=message):
        continue_recipe(recipe, different, recorded.path)


def test_a_recipe_is_recorded_with_every_field(recorded: RunFolder) -> None:
    values = msgspec.json.decode(recorded.recipe_file.read_bytes())
    assert list(values) == [field.name for field in msgspec.structs.fields(Recipe)]
    assert read_recipe(recorded.recipe_file) == recorded.read_recipe()

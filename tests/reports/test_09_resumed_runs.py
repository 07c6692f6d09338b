"""A run resumes by its own recipe or refuses by name, and can be prolonged; splits have the same names everywhere."""

import csv
import json
from pathlib import Path

import msgspec
import pytest
from samples import fer2013_csv

from mien.cli import main
from mien.trainer.data.fer2013 import read_fer2013
from mien.trainer.data.split import split_held_out
from mien.trainer.recipe import Recipe
from mien.trainer.run_folder import RunFolder
from mien.trainer.training.environment import describe_environment
from mien.trainer.training.training import train

pytestmark = pytest.mark.timeout(1200)

RECIPE = Recipe(network="cnn", epochs=3, batch_size=28, mixed_precision=False)


@pytest.fixture(scope="module")
def csv_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FER-2013's format, but with other names of the splits."""
    file = tmp_path_factory.mktemp("data") / "fer2013.csv"
    file.write_text(fer2013_csv().replace(",Training", ",train").replace(",PublicTest", ",PUBLIC"))
    return file


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory, csv_file: Path) -> RunFolder:
    """A run of three epochs of which one is complete."""
    run, data = RunFolder(tmp_path_factory.mktemp("runs") / "run"), read_fer2013(csv_file)
    run.create(RECIPE, describe_environment(data))
    train_set, held_out = split_held_out(data, seed=RECIPE.seed)
    train(run, msgspec.structs.replace(RECIPE, epochs=1), train_set, held_out, lambda _name: [])
    return run


def epochs_of(run: RunFolder) -> list[str]:
    with run.history_file.open() as text:
        return [row["epoch"] for row in csv.DictReader(text)]


def test_an_option_that_differs_from_the_recipe_is_refused_by_name(
    unfinished: RunFolder, csv_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--data", str(csv_file), "--run", str(unfinished.path), "--resume"]
    assert main([*command, "--epochs", "2", "--network", "bilstm", "--batch-size", "28"]) == 2
    assert capsys.readouterr().err.endswith(
        "was started with other values of --network (it has cnn), --epochs (it has 3): leave these options out, or "
        "start a new run with another --run\n"
    )
    assert main([*command, "--recipe", str(unfinished.path)]) == 2
    assert "--resume continues by the run's own recipe: leave --recipe out" in capsys.readouterr().err
    assert unfinished.read_recipe() == RECIPE
    assert epochs_of(unfinished) == ["0"]


def test_more_epochs_prolong_an_unfinished_run_and_a_finished_one_goes_on_in_a_new_folder(
    unfinished: RunFolder, csv_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(csv_file)]
    assert main(["train", *data, "--run", str(unfinished.path), "--resume", "--epochs", "4", "--network", "cnn"]) == 0
    assert unfinished.read_recipe() == msgspec.structs.replace(RECIPE, epochs=4)
    assert epochs_of(unfinished) == ["0", "1", "2", "3"]
    assert main(["train", *data, "--run", str(unfinished.path), "--resume", "--epochs", "5"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "contains a finished run: export it, or prolong it by N epochs in a new folder, with `mien train" in line
    options = line.partition("`mien ")[2].rstrip("`").replace(" NEW ", f" {unfinished.path}-2 ").replace(" N", " 1")
    assert main([*options.split(), *data]) == 0
    longer = RunFolder(Path(f"{unfinished.path}-2"))
    assert longer.read_recipe() == msgspec.structs.replace(RECIPE, epochs=1, init_from=str(unfinished.model_file))
    capsys.readouterr()
    for name, split in (("train", "Training"), ("TRAINING", "Training"), ("public", "PublicTest")):
        assert main(["model", "evaluate", str(longer.model_file), *data, "--split", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["split"] == split
    assert main(["model", "evaluate", str(longer.model_file), *data, "--split", "test"]) == 5
    assert "has no Test images, only PublicTest, Training: name another split" in capsys.readouterr().err

import csv
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from waiting import wait_for

from mien.errors import TrainingError, UsageError
from mien.trainer.dataset import Dataset
from mien.trainer.networks import cnn_bilstm
from mien.trainer.run import Run
from mien.trainer.settings import Recipe
from mien.trainer.training import train
from mien.trainer.whole_file import written_whole

RECIPE = Recipe(epochs=2)

pytestmark = pytest.mark.timeout(1200)


def run_of(folder: Path, data: Dataset, recipe: Recipe) -> Run:
    run = Run(folder)
    train(run, recipe, data.split("Training"), data.split("PublicTest"), [])
    return run


def start_training(folder: Path, csv_file: Path, *flags: str) -> subprocess.Popen[bytes]:
    """`mien train` as a process of its own, every operation deterministic."""
    command = [sys.executable, "-m", "mien", "train", "--data", str(csv_file), "--run", str(folder), *flags]
    environment = os.environ | {"TF_DETERMINISTIC_OPS": "1"}
    return subprocess.Popen(command, cwd=folder.parent, env=environment, stderr=subprocess.DEVNULL)


def epochs_of(run: Run) -> list[str]:
    if not run.history_file.exists():
        return []
    with run.history_file.open() as text:
        return [row["epoch"] for row in csv.DictReader(text)]


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, csv_file: Path) -> None:
    flags = ["--epochs", "3", "--batch-size", "28"]
    assert start_training(tmp_path / "whole", csv_file, *flags).wait(240) == 0
    broken = Run(tmp_path / "broken")
    with start_training(broken.folder, csv_file, *flags) as process:
        wait_for(lambda: epochs_of(broken) or process.poll() is not None, 240)
        process.kill()
    assert not broken.model_file.exists()
    assert start_training(broken.folder, csv_file, "--resume").wait(240) == 0
    assert epochs_of(broken) == ["0", "1", "2"]
    expected = keras.models.load_model(tmp_path / "whole" / "model.keras").get_weights()
    found = keras.models.load_model(broken.model_file).get_weights()
    assert all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))
    with pytest.raises(UsageError, match="holds a finished run"):
        broken.resumable()


def test_it_learns_patterns_that_can_be_learned(tmp_path: Path, data: Dataset) -> None:
    recipe = Recipe(epochs=5, batch_size=14, warmup_epochs=0.5, average_momentum=0.8, label_smoothing=0.0)
    run = run_of(tmp_path, data, recipe)
    with run.history_file.open() as text:
        history = list(csv.DictReader(text))
    assert float(history[-1]["loss"]) < 0.6 * float(history[0]["loss"])


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, data: Dataset) -> None:
    with pytest.raises(TrainingError, match=r"the loss is no longer a number at batch \d+: lower --learning-rate"):
        run_of(tmp_path, data, Recipe(epochs=2, batch_size=28, learning_rate=1e30, warmup_epochs=0))


def test_a_run_does_not_overwrite_another(tmp_path: Path) -> None:
    Run(tmp_path).begin(RECIPE)
    with pytest.raises(UsageError, match="holds a run already: go on with --resume"):
        Run(tmp_path).begin(RECIPE)
    with pytest.raises(UsageError, match="holds no run"):
        Run(tmp_path / "other").resumable()


def test_the_network_is_the_documented_one() -> None:
    network = cnn_bilstm()
    assert network.input_shape == (None, 48, 48, 1)
    assert network.output_shape == (None, 7)
    assert 1.0e6 < network.count_params() < 1.1e6
    kinds = [type(layer).__name__ for layer in network.layers]
    for kind in ("Conv2D", "BatchNormalization", "MaxPooling2D", "SpatialDropout2D", "Bidirectional", "Softmax"):
        assert kind in kinds


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_text("old")
    with pytest.raises(OSError), written_whole(file) as part:  # noqa: PT011, PT012 (a disk that fills up)
        part.write_text("half")
        raise OSError("No space left on device")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]

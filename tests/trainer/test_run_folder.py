from pathlib import Path

import keras
import pytest

from mien.errors import DataError, UsageError
from mien.trainer.data.dataset import Dataset
from mien.trainer.recipe import Recipe
from mien.trainer.run_folder import RunFolder

pytestmark = pytest.mark.timeout(1200)


def test_a_finished_run_contains_everything_to_repeat_and_judge_it(finished_run: RunFolder) -> None:
    names = {"recipe.json", "environment.json", "history.csv", "metrics.json", "model.keras", "report.html"}
    assert {file.name for file in finished_run.path.iterdir()} == names | {"tensorboard"}
    assert list((finished_run.path / "tensorboard").rglob("events.out.tfevents.*"))
    metrics = finished_run.read_metrics()
    assert (len(metrics.labels), metrics.evaluation.count) == (35, 35)
    correct = sum(label == prediction for label, prediction in zip(metrics.labels, metrics.predictions, strict=True))
    assert metrics.evaluation.accuracy == round(correct / 35, 4)
    assert "fitted on" in metrics.calibration
    assert finished_run.read_environment()["keras"] == keras.version()
    html = finished_run.report_file.read_text()
    assert html.count("data:image/png;base64,") == 7
    assert "http" not in html


def test_a_run_does_not_overwrite_another(tmp_path: Path) -> None:
    RunFolder(tmp_path).create(Recipe(), {})
    with pytest.raises(UsageError, match="already contains a run: continue it with --resume"):
        RunFolder(tmp_path).create(Recipe(), {})
    with pytest.raises(UsageError, match="the folder contains no run"):
        RunFolder(tmp_path / "other").read_unfinished_recipe()
    with pytest.raises(UsageError, match="the run is unfinished, continue it with `mien train --resume`"):
        RunFolder(tmp_path).read_metrics()


def test_a_run_continues_only_with_its_own_data(finished_run: RunFolder, data: Dataset) -> None:
    with pytest.raises(DataError, match="was started with other data: give the same --data and --ferplus again"):
        finished_run.check_same_data(data.digest())  # without the votes


def test_a_run_without_a_digest_of_its_data_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.create(Recipe(), {"keras": "3"})
    with pytest.raises(DataError, match="was started with other data"):
        run.check_same_data("1234")

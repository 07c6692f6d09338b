"""`mien train`, in separate processes where runs are killed or limited."""

import csv
import os
import resource
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from polling import wait_for

from mien.cli import main
from mien.errors import UsageError
from mien.trainer.models.inference import load_keras_model, predict_scores
from mien.trainer.models.networks import NETWORKS
from mien.trainer.run_folder import RunFolder

pytestmark = pytest.mark.timeout(1200)

TRAIN_ON_JAX = """
import sys, numpy
from mien.cli import main
scores_file, run_folder, *command = sys.argv[1:]
exit_code = main(command)
from mien.trainer.models.inference import load_keras_model, predict_scores
numpy.save(scores_file, predict_scores(load_keras_model(run_folder + "/model.keras"), numpy.load(scores_file)))
sys.exit(exit_code)
"""
"""Trains, then replaces the inputs in a file by the trained model's scores."""


def start_training(
    folder: Path, csv_file: Path, *options: str, max_file_bytes: int | None = None
) -> subprocess.Popen[bytes]:
    """`mien train` as a separate process, with deterministic operations and no file larger than `max_file_bytes`."""
    command = [sys.executable, "-m", "mien", "train", "--data", str(csv_file), "--run", str(folder), *options]
    environment = os.environ | {"TF_DETERMINISTIC_OPS": "1"}

    def limit_file_size() -> None:
        if max_file_bytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))

    return subprocess.Popen(
        command, cwd=folder.parent, env=environment, stderr=subprocess.PIPE, preexec_fn=limit_file_size
    )


def read_history(run: RunFolder) -> list[dict[str, str]]:
    if not run.history_file.exists():
        return []
    with run.history_file.open() as text:
        return list(csv.DictReader(text))


def test_a_killed_run_continues_as_if_nothing_had_happened(tmp_path: Path, csv_file: Path) -> None:
    options = ["--epochs", "3", "--batch-size", "28"]
    assert start_training(tmp_path / "uninterrupted", csv_file, *options).wait(240) == 0
    killed = RunFolder(tmp_path / "killed")
    with start_training(killed.path, csv_file, *options) as process:
        wait_for(lambda: read_history(killed) or process.poll() is not None, 240)
        process.kill()
    assert not killed.model_file.exists()
    assert start_training(killed.path, csv_file, "--resume").wait(240) == 0
    uninterrupted = RunFolder(tmp_path / "uninterrupted")
    assert read_history(killed) == read_history(uninterrupted)
    assert [row["epoch"] for row in read_history(killed)] == ["0", "1", "2"]
    expected = keras.models.load_model(uninterrupted.model_file).get_weights()
    resumed = keras.models.load_model(killed.model_file).get_weights()
    assert all(np.array_equal(*weights) for weights in zip(expected, resumed, strict=True))
    with pytest.raises(UsageError, match="contains a finished run"):
        killed.read_unfinished_recipe()


def test_a_run_is_repeated_by_its_recipe_to_the_last_bit(tmp_path: Path, csv_file: Path) -> None:
    first, second = RunFolder(tmp_path / "first" / "run"), RunFolder(tmp_path / "second" / "run")
    for run in (first, second):
        run.path.parent.mkdir()
    NETWORKS["cnn"]().save(tmp_path / "start.keras")
    options = ["--network", "cnn", "--init-from", "../start.keras", "--epochs", "2", "--batch-size", "28"]
    options += ["--seed", "3", "--rotation-degrees", "20", "--mixup", "0.2", "--warmup-epochs", "0.5"]
    assert start_training(first.path, csv_file, *options).wait(240) == 0
    assert start_training(second.path, csv_file, "--recipe", "../first/run").wait(240) == 0
    assert first.read_recipe().init_from == "../../start.keras"
    for name in ("recipe.json", "metrics.json", "history.csv"):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()
    models = [keras.models.load_model(run.model_file).get_weights() for run in (first, second)]
    assert all(np.array_equal(*weights) for weights in zip(*models, strict=True))


def test_a_full_disk_stops_the_run_which_continues_once_there_is_space(tmp_path: Path, csv_file: Path) -> None:
    run = RunFolder(tmp_path / "full")
    options = ["--network", "cnn", "--epochs", "1", "--batch-size", "28"]
    with start_training(run.path, csv_file, *options, max_file_bytes=1_000_000) as process:
        _, stderr = process.communicate(timeout=240)
    assert process.returncode == 10
    assert b"best.keras cannot be written (File too large): free some disk space, then run the command again" in stderr
    assert start_training(run.path, csv_file, "--resume").wait(240) == 0
    assert run.model_file.exists()


def test_a_run_on_two_devices_of_jax_leaves_a_model_that_predicts_the_same_on_tensorflow(
    tmp_path: Path, csv_file: Path
) -> None:
    """Two devices of JAX share each batch here, as two GPUs would."""
    pytest.importorskip("jax", reason="jax is not installed: pip install jax")
    inputs = np.random.default_rng(1).uniform(0, 255, (5, 48, 48, 1)).astype(np.float32)
    scores_file, run = tmp_path / "scores.npy", tmp_path / "jax"
    np.save(scores_file, inputs)
    options = ["--run", str(run), "--data", str(csv_file), "--network", "cnn", "--epochs", "1", "--batch-size", "14"]
    command = [sys.executable, "-c", TRAIN_ON_JAX, str(scores_file), str(run), "train", *options]
    environment = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PATH": ""}
    process = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False, text=True)
    assert process.returncode == 0, process.stderr
    assert "devices: 2" in process.stderr
    scores = predict_scores(load_keras_model(run / "model.keras"), inputs)
    assert scores == pytest.approx(np.load(scores_file), abs=1e-5)


def test_an_emotion_without_images_is_reported_before_the_folder_is_created(
    tmp_path: Path, csv_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = csv_file.read_text().splitlines()
    csv_without_disgust = tmp_path / "without_disgust.csv"
    csv_without_disgust.write_text("\n".join(row for row in rows if not row.startswith("1,")))
    assert main(["train", "--data", str(csv_without_disgust), "--run", str(tmp_path / "run")]) == 5
    assert "has no disgust images to learn from" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_mistyped_teacher_leaves_no_folder_behind(
    tmp_path: Path, csv_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(csv_file), "--run", str(tmp_path / "run"), "--teacher", str(tmp_path / "no.keras")]
    assert main(["train", *options]) == 4
    assert "no.keras is not a Keras model" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (["--network", "vgg"], 2, "there is no network 'vgg': choose from cnn-bilstm, cnn-bilstm-both,"),
        (["--labels", "both"], 2, "there are no labels 'both': choose from fer, ferplus, mix"),
        (["--labels", "mix"], 2, "mix labels need FER+: give --ferplus the path of fer2013new.csv"),
        (["--resume"], 2, "the folder contains no run, start one with `mien train --run"),
        (["--network", "hero", "--init-from", "one.keras"], 2, "HERO's three networks start from random weights"),
    ],
)
def test_invalid_options_are_reported(
    tmp_path: Path,
    csv_file: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    exit_code: int,
    message: str,
) -> None:
    assert main(["train", "--data", str(csv_file), "--run", str(tmp_path / "run"), *options]) == exit_code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recipe", "exit_code", "message"),
    [
        (None, 3, "recipe.json cannot be read (No such file or directory): name the recipe.json or the folder of"),
        ('{"epochs": 3', 3, "recipe.json is not valid JSON (Input data was truncated): name the recipe.json of a run"),
        ("[3]", 3, "recipe.json is not a JSON object: name the recipe.json of a run"),
        ('{"epoch": 3}', 3, "recipe.json: unknown key epoch: did you mean epochs?"),
        ('{"epochs": "3"}', 3, "recipe.json: epochs: Expected `int`, got `str`: Passes over the Training images"),
        ('{"epochs": 0}', 3, "recipe.json: epochs: Expected `int` >= 1: Passes over the Training images"),
        ('{"network": "vgg"}', 3, "recipe.json: network: Invalid enum value 'vgg': choose from cnn-bilstm, cnn-bil"),
        ('{"labels": "mix"}', 2, "mix labels need FER+: give --ferplus the path of fer2013new.csv"),
        ('{"teacher": "no.keras"}', 4, "teacher no.keras does not exist: give another with --teacher, or '' for none"),
        ('{"init_from": "/no.keras"}', 4, "init_from /no.keras does not exist: give another with --init-from, or ''"),
    ],
)
def test_a_recipe_that_cannot_be_repeated_is_reported_in_one_line(
    tmp_path: Path,
    csv_file: Path,
    capsys: pytest.CaptureFixture[str],
    recipe: str | None,
    exit_code: int,
    message: str,
) -> None:
    file = tmp_path / "recipe.json"
    if recipe is not None:
        file.write_text(recipe)
    options = ["--data", str(csv_file), "--run", str(tmp_path / "run"), "--recipe", str(file)]
    assert main(["train", *options]) == exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "run").exists()


def test_the_options_of_a_recipe_have_its_limits(csv_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "--data", str(csv_file), "--run", "run"]
    for option, value in (("--epochs", "0"), ("--label-smoothing", "0.6"), ("--rotation-degrees", "-1")):
        assert main([*command, option, value]) == 2
        assert f"Invalid value for '{option}'" in capsys.readouterr().err


def test_the_help_imports_neither_keras_nor_numpy() -> None:
    script = "import sys; from mien.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    for arguments in (["--help"], ["train", "--help"]):
        command = [sys.executable, "-c", script, *arguments]
        process = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "mien.trainer.recipe" in process.stderr.split()
        assert not {"keras", "tensorflow", "jax", "numpy", "cv2", "rich"} & set(process.stderr.split())

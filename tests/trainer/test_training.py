import csv
import os
import resource
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from waiting import wait_for

from mien.command import main
from mien.errors import DataError, ModelError, TrainingError, UsageError
from mien.trainer.dataset import Dataset
from mien.trainer.duplicates import hold_out
from mien.trainer.evaluation import load_predictor
from mien.trainer.networks import hero, hero_member
from mien.trainer.run import Run
from mien.trainer.settings import Recipe
from mien.trainer.targets import targets
from mien.trainer.teaching import taught
from mien.trainer.training import train

pytestmark = pytest.mark.timeout(1200)

QUICK = Recipe(epochs=5, batch_size=14, network="cnn", class_weighting=0.0)


def run_of(folder: Path, data: Dataset, recipe: Recipe) -> Run:
    run = Run(folder)
    learned, held_out = hold_out(data, seed=recipe.seed)
    train(run, recipe, learned, held_out, lambda name: [])
    return run


def start_training(folder: Path, csv_file: Path, *flags: str, most_bytes: int | None = None) -> subprocess.Popen[bytes]:
    """`mien train` as a process of its own, every operation deterministic, no file larger than `most_bytes`."""
    command = [sys.executable, "-m", "mien", "train", "--data", str(csv_file), "--run", str(folder), *flags]
    environment = os.environ | {"TF_DETERMINISTIC_OPS": "1"}

    def limit() -> None:
        if most_bytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.Popen(command, cwd=folder.parent, env=environment, stderr=subprocess.PIPE, preexec_fn=limit)


def history_of(run: Run) -> list[dict[str, str]]:
    if not run.history_file.exists():
        return []
    with run.history_file.open() as text:
        return list(csv.DictReader(text))


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, csv_file: Path) -> None:
    flags = ["--epochs", "3", "--batch-size", "28"]
    assert start_training(tmp_path / "whole", csv_file, *flags).wait(240) == 0
    broken = Run(tmp_path / "broken")
    with start_training(broken.folder, csv_file, *flags) as process:
        wait_for(lambda: history_of(broken) or process.poll() is not None, 240)
        process.kill()
    assert not broken.model_file.exists()
    assert start_training(broken.folder, csv_file, "--resume").wait(240) == 0
    whole = Run(tmp_path / "whole")
    assert history_of(broken) == history_of(whole)
    assert [row["epoch"] for row in history_of(broken)] == ["0", "1", "2"]
    expected = keras.models.load_model(whole.model_file).get_weights()
    found = keras.models.load_model(broken.model_file).get_weights()
    assert all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))
    with pytest.raises(UsageError, match="holds a finished run"):
        broken.resumable()


def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(tmp_path: Path, csv_file: Path) -> None:
    run = Run(tmp_path / "full")
    flags = ["--network", "cnn", "--epochs", "1", "--batch-size", "28"]
    with start_training(run.folder, csv_file, *flags, most_bytes=1_000_000) as process:
        _, talk = process.communicate(timeout=240)
    assert process.returncode == 10
    assert b"best.keras cannot be written (File too large): make room there, then run the command again" in talk
    assert start_training(run.folder, csv_file, "--resume").wait(240) == 0
    assert run.model_file.exists()


def test_it_learns_patterns_that_can_be_learned(tmp_path: Path, data: Dataset) -> None:
    history = history_of(run_of(tmp_path, data, QUICK))
    assert float(history[-1]["loss"]) < 0.6 * float(history[0]["loss"])
    assert max(float(row["held_out_accuracy"]) for row in history) > 0.5


def test_the_best_epoch_is_kept_not_the_last(tmp_path: Path, data: Dataset) -> None:
    run = run_of(tmp_path, data, QUICK)
    best = max(float(row["held_out_accuracy"]) for row in history_of(run))
    _, held_out = hold_out(data, seed=QUICK.seed)
    predict, _ = load_predictor(run.best_file)
    assert float((predict(held_out.pictures).argmax(axis=1) == held_out.labels).mean()) == pytest.approx(best)


def test_hero_s_members_are_trained_on_their_own_and_answer_together(tmp_path: Path, data: Dataset) -> None:
    recipe = Recipe(epochs=1, batch_size=28, network="hero")
    learned, held_out = hold_out(data, seed=1)
    model = train(Run(tmp_path), recipe, learned, held_out, lambda name: [])
    pictures = np.zeros((2, 48, 48, 1), np.float32)
    logits = []
    for depth in (1, 2, 3):
        member = keras.models.load_model(tmp_path / f"hero-{depth}" / "best.keras")
        logits.append(np.log(member.predict(pictures, verbose=0)))
    expected = np.exp(np.mean(logits, axis=0))
    expected /= expected.sum(axis=1, keepdims=True)
    assert model.predict(pictures, verbose=0) == pytest.approx(expected, abs=1e-5)
    assert hero([hero_member(1)]).count_params() == hero_member(1).count_params()


def test_a_teacher_s_answers_are_half_of_what_a_student_learns(tmp_path: Path, data: Dataset, stripes: Run) -> None:
    goals = taught(targets(data, "fer"), data.pictures, stripes.model_file)
    assert goals.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (goals[np.arange(len(data)), data.labels] >= 0.5).all()
    with pytest.raises(ModelError, match="is not a Keras model"):
        taught(targets(data, "fer"), data.pictures, tmp_path / "nobody.keras")


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_epoch(tmp_path: Path, data: Dataset) -> None:
    with pytest.raises(
        TrainingError, match=r"the loss is no longer a number at batch \d+: begin another run with a lower"
    ):
        run_of(tmp_path, data, Recipe(epochs=2, batch_size=28, network="cnn", learning_rate=1e30, warmup_epochs=0))


def test_an_emotion_without_pictures_is_named(tmp_path: Path, data: Dataset) -> None:
    with pytest.raises(DataError, match=r"has no disgust pictures to learn from"):
        run_of(tmp_path, data.only(data.labels != 1), QUICK)


def test_an_emotion_without_pictures_is_found_out_before_the_folder_is_made(
    tmp_path: Path, csv_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = csv_file.read_text().splitlines()
    poor = tmp_path / "poor.csv"
    poor.write_text("\n".join(row for row in rows if not row.startswith("1,")))
    assert main(["train", "--data", str(poor), "--run", str(tmp_path / "run")]) == 5
    assert "has no disgust pictures to learn from" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_overwrite_another(tmp_path: Path) -> None:
    Run(tmp_path).begin(QUICK, {})
    with pytest.raises(UsageError, match="holds a run already: go on with --resume"):
        Run(tmp_path).begin(QUICK, {})
    with pytest.raises(UsageError, match="holds no run"):
        Run(tmp_path / "other").resumable()
    with pytest.raises(UsageError, match="it has not ended: go on with `mien train --resume`"):
        Run(tmp_path).metrics()


def test_a_run_goes_on_with_its_own_data_only(stripes: Run, data: Dataset) -> None:
    with pytest.raises(DataError, match="began with other data: give the same --data and --ferplus as then"):
        stripes.check_data(data.digest())  # without the votes


def test_a_run_that_does_not_say_what_data_it_began_with_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.begin(QUICK, {"keras": "3"})
    with pytest.raises(DataError, match="began with other data"):
        run.check_data("1234")


def test_a_mistyped_teacher_leaves_no_folder_behind(
    tmp_path: Path, csv_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train",
        "--data",
        str(csv_file),
        "--run",
        str(tmp_path / "run"),
        "--teacher",
        str(tmp_path / "no.keras"),
    ]
    assert main(command) == 4
    assert "no.keras is not a Keras model" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_leaves_all_that_is_needed_to_repeat_and_judge_it(stripes: Run) -> None:
    names = {"config.json", "environment.json", "history.csv", "metrics.json", "model.keras", "report.html"}
    assert {file.name for file in stripes.folder.iterdir()} == names | {"tensorboard"}
    assert list((stripes.folder / "tensorboard").rglob("events.out.tfevents.*"))
    metrics = stripes.metrics()
    assert (len(metrics.labels), metrics.evaluation.count) == (35, 35)
    right = sum(label == answer for label, answer in zip(metrics.labels, metrics.answers, strict=True))
    assert metrics.evaluation.accuracy == round(right / 35, 4)
    assert "fitted on" in metrics.calibration
    assert stripes.environment()["keras"] == keras.version()
    page = stripes.report_file.read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "http" not in page


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--network", "vgg"], 2, "there is no network 'vgg': choose from cnn-bilstm, cnn-bilstm-both, cnn,"),
        (["--labels", "both"], 2, "there are no labels 'both': choose from fer, ferplus, mix"),
        (["--labels", "mix"], 2, "learns from mix labels: give --ferplus the path of fer2013new.csv"),
        (["--resume"], 2, "it holds no run: start one with `mien train --run"),
        (["--network", "hero", "--from", "one.keras"], 2, "HERO's three networks start from random weights"),
    ],
)
def test_options_that_do_not_fit_are_named(
    tmp_path: Path, csv_file: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, message: str
) -> None:
    assert main(["train", "--data", str(csv_file), "--run", str(tmp_path / "run"), *flags]) == code
    assert message in capsys.readouterr().err

"""Scores of oracles, fools and a trained network, through the command and the function."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mien.card import DEFAULT_MODEL
from mien.command import main
from mien.errors import ModelError
from mien.trainer.dataset import Dataset
from mien.trainer.evaluation import evaluate, load_predictor
from mien.trainer.run import Run
from mien.trainer.targets import one_hot

pytestmark = pytest.mark.timeout(1200)


def test_an_answer_that_is_always_right_scores_one_and_one_that_never_is_scores_none(voted: Dataset) -> None:
    test = voted.split("PublicTest")
    right = evaluate(one_hot(test.labels), model="oracle", runtime="none", data=test)
    assert (right.accuracy, right.macro_f1, right.ferplus_majority, right.ece) == (1.0, 1.0, 1.0, 0.0)
    assert (right.ferplus_majority_count, right.ece_ferplus) == (35, 0.0)
    assert right.intervals["accuracy"] == (1.0, 1.0)
    wrong = evaluate(one_hot((test.labels + 1) % 7), model="fool", runtime="none", data=test)
    assert (wrong.accuracy, wrong.macro_f1, wrong.per_class["happy"].recall, wrong.ece) == (0.0, 0.0, 0.0, 1.0)
    assert np.diag(wrong.confusion).sum() == 0


def test_scores_agree_with_scikit_learn(data: Dataset) -> None:
    scores = np.random.default_rng(3).dirichlet([1] * 7, len(data)).astype(np.float32)
    report = evaluate(scores, model="dice", runtime="none", data=data)
    assert report.macro_f1 == pytest.approx(f1_score(data.labels, scores.argmax(axis=1), average="macro"), abs=1e-4)
    assert sum(map(sum, report.confusion)) == len(data)


def test_an_emotion_that_no_picture_shows_is_not_averaged(data: Dataset) -> None:
    some = data.only(data.labels < 3)
    assert evaluate(one_hot(some.labels), model="oracle", runtime="none", data=some).macro_f1 == 1.0


def test_leaks_are_left_out_of_the_second_accuracy(data: Dataset) -> None:
    test = data.split("PublicTest")
    answers = test.labels.copy()
    answers[5:] = (answers[5:] + 1) % 7
    leaked = evaluate(one_hot(answers), model="cheat", runtime="none", data=test, training=test.only(np.arange(5)))
    assert (leaked.accuracy, leaked.leaks, leaked.accuracy_without_leaks) == (round(5 / 35, 4), 5, 0.0)
    unknown = evaluate(one_hot(answers), model="cheat", runtime="none", data=test)
    assert (unknown.leaks, unknown.accuracy_without_leaks) == (None, None)
    none_left = evaluate(one_hot(answers), model="cheat", runtime="none", data=test, training=test)
    assert (none_left.leaks, none_left.accuracy_without_leaks) == (35, None)


def test_evaluate_gives_one_object_for_keras_and_tflite(
    stripes: Run, csv_file: Path, votes_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = []
    for model in (stripes.model_file, DEFAULT_MODEL):
        assert main(["evaluate", str(model), "--data", str(csv_file), "--ferplus", str(votes_file), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        keys.append(report.keys())
        assert (report["count"], report["usage"], report["leaks"]) == (35, "PublicTest", 0)
        assert report["ferplus_majority"] == report["accuracy"]  # the votes are for the labels here
        low, high = report["intervals"]["macro_f1"]
        assert low <= report["macro_f1"] <= high
    assert keys[0] == keys[1]


def test_without_training_pictures_leaks_are_unknown_until_they_are_named(
    stripes: Run, csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "test.csv"
    lines = csv_file.read_text().splitlines()
    alone.write_text("\n".join([lines[0], *lines[-35:]]) + "\n")
    command = ["evaluate", str(stripes.model_file), "--data", str(alone), "--json"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["accuracy_without_leaks"] is None
    assert "leaks are not counted: name them with --training" in told.err
    assert main([*command, "--training", str(csv_file)]) == 0
    assert json.loads(capsys.readouterr().out)["leaks"] == 0


def test_evaluate_draws_its_figures(
    stripes: Run, csv_file: Path, votes_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data", str(csv_file), "--ferplus", str(votes_file), "--pictures", str(tmp_path / "drawn")]
    assert main(["evaluate", str(stripes.model_file), *flags]) == 0
    drawn = {file.name for file in (tmp_path / "drawn").iterdir() if file.read_bytes().startswith(b"\x89PNG")}
    assert drawn == {"confusion.png", "confusion-normalised.png", "reliability.png", "reliability-ferplus.png"}
    shown = capsys.readouterr().out
    assert "macro-F1" in shown
    assert "rows are labels" in shown


def test_votes_are_optional(voted: Dataset) -> None:
    test = replace(voted, votes=None).split("PublicTest")
    report = evaluate(one_hot(test.labels), model="oracle", runtime="none", data=test)
    assert (report.ferplus_majority, report.ece_ferplus, report.ferplus_majority_count) == (None, None, None)


def test_a_broken_keras_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_text("no zip")
    with pytest.raises(ModelError, match=r"broken.keras is not a Keras model"):
        load_predictor(tmp_path / "broken.keras")
    with pytest.raises(ModelError, match=r"neither a .keras nor a .tflite file"):
        load_predictor(tmp_path / "broken.onnx")

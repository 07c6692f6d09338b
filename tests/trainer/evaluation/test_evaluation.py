"""Evaluations of perfect, always wrong and trained models, through the command and the function."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mien.cli import main
from mien.emotions import EMOTIONS
from mien.errors import ModelError
from mien.model.model_card import DEFAULT_MODEL
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.targets import one_hot
from mien.trainer.evaluation.evaluation import evaluate, load_predictor
from mien.trainer.run_folder import RunFolder

PLOTS = (
    "confusion", "confusion-normalized", "reliability", "reliability-ferplus", "risk-coverage", "corruptions",
)  # fmt: skip
PROMISED_FIELDS = {
    "accuracy", "accuracy_without_leaks", "macro_f1", "ferplus_majority", "ece_fer", "ece_ferplus", "selective_at_80",
}  # fmt: skip
"""Of the JSON that `mien model evaluate --json` prints, beside `per_emotion`."""

pytestmark = pytest.mark.timeout(1200)


def test_predictions_that_are_always_right_score_one_and_always_wrong_ones_zero(data_with_votes: Dataset) -> None:
    test_set = data_with_votes.split("PublicTest")
    right = evaluate(one_hot(test_set.labels), model="right", runtime="none", data=test_set)
    assert (right.accuracy, right.macro_f1, right.ferplus_majority, right.ece_fer) == (1.0, 1.0, 1.0, 0.0)
    assert (right.ferplus_majority_count, right.ece_ferplus, right.selective_at_80) == (35, 0.0, 1.0)
    assert right.intervals["accuracy"] == (1.0, 1.0)
    wrong = evaluate(one_hot((test_set.labels + 1) % 7), model="wrong", runtime="none", data=test_set)
    assert (wrong.accuracy, wrong.macro_f1, wrong.per_emotion["happy"].recall, wrong.ece_fer) == (0.0, 0.0, 0.0, 1.0)
    assert np.diag(wrong.confusion).sum() == 0


def test_scores_agree_with_scikit_learn(data: Dataset) -> None:
    scores = np.random.default_rng(3).dirichlet([1] * 7, len(data)).astype(np.float32)
    evaluation = evaluate(scores, model="random", runtime="none", data=data)
    assert evaluation.macro_f1 == pytest.approx(f1_score(data.labels, scores.argmax(axis=1), average="macro"), abs=1e-4)
    assert sum(map(sum, evaluation.confusion)) == len(data)


def test_an_emotion_without_images_does_not_count_in_macro_f1(data: Dataset) -> None:
    three_emotions = data.select(data.labels < 3)
    scores = one_hot(three_emotions.labels)
    assert evaluate(scores, model="right", runtime="none", data=three_emotions).macro_f1 == 1.0


def test_leaks_are_excluded_from_the_second_accuracy(data: Dataset) -> None:
    test_set = data.split("PublicTest")
    predictions = test_set.labels.copy()
    predictions[5:] = (predictions[5:] + 1) % 7
    scores = one_hot(predictions)
    five_images = test_set.select(np.arange(5))
    leaked = evaluate(scores, model="leaked", runtime="none", data=test_set, training=five_images)
    assert (leaked.accuracy, leaked.leaks, leaked.accuracy_without_leaks) == (round(5 / 35, 4), 5, 0.0)
    unknown = evaluate(scores, model="leaked", runtime="none", data=test_set)
    assert (unknown.leaks, unknown.accuracy_without_leaks) == (None, None)
    all_leaked = evaluate(scores, model="leaked", runtime="none", data=test_set, training=test_set)
    assert (all_leaked.leaks, all_leaked.accuracy_without_leaks) == (35, None)


def test_the_command_prints_the_same_object_for_keras_and_tflite(
    finished_run: RunFolder, csv_file: Path, ferplus_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = []
    for model in (finished_run.model_file, DEFAULT_MODEL):
        options = ["--data", str(csv_file), "--ferplus", str(ferplus_file), "--json"]
        assert main(["model", "evaluate", str(model), *options]) == 0
        evaluation = json.loads(capsys.readouterr().out)
        keys.append(evaluation.keys())
        assert keys[-1] >= PROMISED_FIELDS
        assert list(evaluation["per_emotion"]) == list(EMOTIONS)
        assert {"precision", "recall", "f1"} <= evaluation["per_emotion"]["fear"].keys()
        assert (evaluation["count"], evaluation["split"], evaluation["leaks"]) == (35, "PublicTest", 0)
        assert evaluation["ferplus_majority"] == evaluation["accuracy"]  # these votes agree with the labels
        low, high = evaluation["intervals"]["macro_f1"]
        assert low <= evaluation["macro_f1"] <= high
    assert keys[0] == keys[1]


def test_leaks_are_unknown_without_training_images_until_they_are_given(
    finished_run: RunFolder, csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test_only_csv = tmp_path / "test.csv"
    lines = csv_file.read_text().splitlines()
    test_only_csv.write_text("\n".join([lines[0], *lines[-35:]]) + "\n")
    command = ["model", "evaluate", str(finished_run.model_file), "--data", str(test_only_csv), "--json"]
    assert main(command) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["accuracy_without_leaks"] is None
    assert "leaks are not counted, there are no Training images: give them with --training" in output.err
    assert main([*command, "--training", str(csv_file)]) == 0
    assert json.loads(capsys.readouterr().out)["leaks"] == 0


def test_the_command_writes_plots(
    finished_run: RunFolder,
    csv_file: Path,
    ferplus_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--data", str(csv_file), "--ferplus", str(ferplus_file), "--plots", str(tmp_path / "plots")]
    assert main(["model", "evaluate", str(finished_run.model_file), *options]) == 0
    plots = {file.name for file in (tmp_path / "plots").iterdir() if file.read_bytes().startswith(b"\x89PNG")}
    assert plots == {f"{name}.png" for name in PLOTS}
    output = capsys.readouterr().out
    assert "macro-F1" in output
    assert "rows are labels" in output


def test_votes_are_optional(data_with_votes: Dataset) -> None:
    test_set = replace(data_with_votes, votes=None).split("PublicTest")
    evaluation = evaluate(one_hot(test_set.labels), model="right", runtime="none", data=test_set)
    assert (evaluation.ferplus_majority, evaluation.ece_ferplus, evaluation.ferplus_majority_count) == (
        None,
        None,
        None,
    )


def test_a_broken_model_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_text("no zip")
    with pytest.raises(ModelError, match=r"broken.keras is not a Keras model"):
        load_predictor(tmp_path / "broken.keras")
    with pytest.raises(ModelError, match=r"neither a .keras nor a .tflite file"):
        load_predictor(tmp_path / "broken.onnx")

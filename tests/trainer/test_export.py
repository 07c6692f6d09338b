"""From a trained run to a checked int8 file, through the real converter and the real runtime."""

import json
from pathlib import Path

import keras
import pytest

from mien.card import read_card
from mien.classifier import DEFAULT_MODEL, Classifier
from mien.command import main
from mien.errors import ModelError, TrainingError
from mien.trainer.dataset import Dataset
from mien.trainer.evaluation import evaluate, load_predictor
from mien.trainer.export import ALIEN_OPS, export, operation_names

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, csv_file: Path) -> Path:
    """A run made with the command itself, exported with the command itself."""
    folder = tmp_path_factory.mktemp("runs")
    train = ["train", "--data", str(csv_file), "--run", str(folder / "stripes"), "--epochs", "3", "--batch-size", "14"]
    assert main(train) == 0
    out = str(folder / "stripes.tflite")
    assert main(["export", str(folder / "stripes"), "--data", str(csv_file), "--out", out]) == 0
    return folder


def test_the_exported_file_is_small_and_says_how_good_it_is(folder: Path) -> None:
    model = folder / "stripes.tflite"
    card = read_card(model.read_bytes(), model.name)
    assert model.stat().st_size < 1_500_000
    assert card.recipe["epochs"] == 3
    assert (card.evaluation.usage, card.evaluation.count) == ("PublicTest", 35)
    assert Classifier(model).card == card


def test_the_card_s_scores_are_those_of_the_file(folder: Path, data: Dataset) -> None:
    classifier = Classifier(folder / "stripes.tflite")
    test = data.split("PublicTest")
    right = sum(
        int(classifier(picture).argmax() == label) for picture, label in zip(test.pictures, test.labels, strict=True)
    )
    assert classifier.card.evaluation.accuracy == round(right / len(test), 4)


def test_evaluate_gives_the_same_object_for_keras_and_tflite(
    folder: Path, csv_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = []
    for model in (folder / "stripes" / "model.keras", folder / "stripes.tflite"):
        assert main(["evaluate", str(model), "--data", str(csv_file), "--json"]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    for report in reports:
        assert report["count"] == 35
        assert sum(map(sum, report["confusion"])) == 35
        assert [sum(row) for row in report["confusion"]] == [5] * 7
        assert report["accuracy"] == pytest.approx(
            sum(report["confusion"][place][place] for place in range(7)) / 35, abs=1e-4
        )
        f1 = [score["f1"] for score in report["per_class"].values()]
        assert report["macro_f1"] == pytest.approx(sum(f1) / 7, abs=1e-3)
    assert reports[0]["accuracy"] == pytest.approx(reports[1]["accuracy"], abs=0.06)


def test_evaluate_draws_the_confusion_matrix(
    folder: Path, csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "confusion.png"
    model = str(folder / "stripes.tflite")
    assert main(["evaluate", model, "--data", str(csv_file), "--picture", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert "macro-F1" in shown
    assert "rows are labels" in shown


def test_the_shipped_model_has_only_operations_that_devices_run() -> None:
    operations = operation_names(DEFAULT_MODEL.read_bytes())
    assert "CONV_2D" in operations
    assert not set(operations) & set(ALIEN_OPS)


def test_a_network_that_is_not_unrolled_is_refused(tmp_path: Path, data: Dataset) -> None:
    picture = keras.Input((48, 48, 1))
    rows = keras.layers.Reshape((48, 48))(picture)
    scores = keras.layers.Dense(7, activation="softmax")(keras.layers.LSTM(8)(rows))
    training, test = data.split("Training"), data.split("PublicTest")
    out = tmp_path / "loop.tflite"
    with pytest.raises(TrainingError, match="unroll its LSTMs"):
        export(keras.Model(picture, scores), out, recipe={}, training=training, test=test, usage="PublicTest", seed=1)
    assert not out.exists()


def test_a_broken_keras_file_is_named(tmp_path: Path, data: Dataset) -> None:
    (tmp_path / "broken.keras").write_text("no zip")
    with pytest.raises(ModelError, match=r"broken.keras is not a Keras model"):
        load_predictor(tmp_path / "broken.keras")
    with pytest.raises(ModelError, match=r"neither a .keras nor a .tflite file"):
        load_predictor(tmp_path / "broken.onnx")


def test_an_answer_that_is_always_right_scores_one(data: Dataset) -> None:
    import numpy as np

    test = data.split("PublicTest")
    answers = np.eye(7, dtype=np.float32)[test.labels]
    votes = answers * 10
    report = evaluate(lambda pictures: answers, "none", model="oracle", data=test, usage="PublicTest", votes=votes)
    assert (report.accuracy, report.macro_f1, report.ferplus_majority) == (1.0, 1.0, 1.0)
    wrong = np.eye(7, dtype=np.float32)[(test.labels + 1) % 7]
    report = evaluate(lambda pictures: wrong, "none", model="fool", data=test, usage="PublicTest")
    assert (report.accuracy, report.macro_f1, report.per_class["happy"].recall) == (0.0, 0.0, 0.0)

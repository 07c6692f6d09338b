"""From a trained run to a checked file, through the real converter and the real runtime."""

from pathlib import Path

import keras
import pytest

from mien.card import DEFAULT_MODEL, read_card
from mien.classifier import Classifier
from mien.command import main
from mien.errors import TrainingError
from mien.trainer.dataset import Dataset
from mien.trainer.evaluation import load_predictor
from mien.trainer.export import ALIEN_OPS, export, operation_names
from mien.trainer.run import Run
from mien.trainer.settings import Recipe

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, stripes: Run, csv_file: Path, votes_file: Path) -> Path:
    out = tmp_path_factory.mktemp("models") / "stripes.tflite"
    flags = ["--data", str(csv_file), "--ferplus", str(votes_file), "--out", str(out)]
    assert main(["export", str(stripes.folder), *flags]) == 0
    return out


def test_the_exported_file_is_small_and_says_how_good_it_is(exported: Path, stripes: Run) -> None:
    card = read_card(exported.read_bytes(), exported.name)
    assert exported.stat().st_size < 1_500_000
    assert (card.recipe["epochs"], card.calibration) == (3, stripes.metrics().calibration)
    assert (card.evaluation.usage, card.evaluation.count, card.evaluation.leaks) == ("PublicTest", 35, 0)
    assert Classifier(exported).card == card


def test_the_card_s_scores_are_those_of_the_file(exported: Path, data: Dataset) -> None:
    classifier = Classifier(exported)
    test = data.split("PublicTest")
    right = sum(
        int(classifier(picture).argmax() == label) for picture, label in zip(test.pictures, test.labels, strict=True)
    )
    assert classifier.card.evaluation.accuracy == round(right / len(test), 4)


@pytest.mark.parametrize(("quantisation", "bytes_each"), [("float16", 2), ("float32", 4)])
def test_other_quantisations_are_larger_and_answer_as_keras_does(
    tmp_path: Path, stripes: Run, csv_file: Path, votes_file: Path, data: Dataset, quantisation: str, bytes_each: int
) -> None:
    out = tmp_path / "wide.tflite"
    data_flags = ["--data", str(csv_file), "--ferplus", str(votes_file)]
    flags = [*data_flags, "--out", str(out), "--quantisation", quantisation]
    assert main(["export", str(stripes.folder), *flags]) == 0
    parameters = keras.models.load_model(stripes.model_file).count_params()
    assert out.stat().st_size == pytest.approx(bytes_each * parameters, rel=0.1)
    pictures = data.split("PublicTest").pictures
    scores = [load_predictor(file)[0](pictures) for file in (out, stripes.model_file)]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)


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
        export(
            keras.Model(picture, scores), out, quantisation="int8", recipe=Recipe(), calibration="", training=training,
            learned=training, held_out=test, test=test,
        )  # fmt: skip
    assert not out.exists()


def test_options_that_do_not_fit_are_named(
    tmp_path: Path, stripes: Run, csv_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data", str(csv_file), "--out", str(tmp_path / "model.tflite")]
    assert main(["export", str(stripes.folder), *flags, "--quantisation", "int4"]) == 2
    assert "there is no quantisation 'int4': choose from int8, float16, float32" in capsys.readouterr().err
    assert main(["export", str(tmp_path), *flags]) == 2
    assert "it holds no run" in capsys.readouterr().err
    assert main(["export", str(stripes.folder), *flags]) == 5
    assert "began with other data: give the same --data and --ferplus" in capsys.readouterr().err

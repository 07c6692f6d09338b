"""Exports of a trained run, with the real converter and the real runtime."""

from pathlib import Path

import keras
import msgspec
import pytest

from mien.cli import main
from mien.errors import TrainingError
from mien.model.classifier import Classifier
from mien.model.model_card import DEFAULT_MODEL, append_model_card, bare_weights, read_model_card
from mien.trainer.data.dataset import Dataset
from mien.trainer.evaluation.evaluation import load_predictor
from mien.trainer.export.conversion import UNSUPPORTED_OPERATIONS, operation_names
from mien.trainer.export.export import export
from mien.trainer.recipe import Recipe
from mien.trainer.run_folder import RunFolder

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def exported_file(
    tmp_path_factory: pytest.TempPathFactory, finished_run: RunFolder, csv_file: Path, ferplus_file: Path
) -> Path:
    output = tmp_path_factory.mktemp("models") / "stripes.tflite"
    options = ["--data", str(csv_file), "--ferplus", str(ferplus_file), "--output", str(output)]
    assert main(["model", "export", str(finished_run.path), *options]) == 0
    return output


def test_the_exported_file_is_small_and_has_a_card_with_its_evaluation(
    exported_file: Path, finished_run: RunFolder
) -> None:
    card = read_model_card(exported_file.read_bytes(), exported_file.name)
    assert exported_file.stat().st_size < 1_500_000
    assert (card.recipe["epochs"], card.calibration) == (3, finished_run.read_metrics().calibration)
    assert (card.evaluation.split, card.evaluation.count, card.evaluation.leaks) == ("PublicTest", 35, 0)
    assert [coverage for coverage, _ in card.evaluation.risk_coverage][-1] == 1.0
    assert Classifier(exported_file).card == card


def test_the_card_s_scores_are_those_of_the_file(exported_file: Path, data: Dataset) -> None:
    classifier = Classifier(exported_file)
    test_set = data.split("PublicTest")
    correct = sum(
        int(classifier(image).argmax() == label) for image, label in zip(test_set.images, test_set.labels, strict=True)
    )
    assert classifier.card.evaluation.accuracy == round(correct / len(test_set), 4)


def test_a_card_that_is_measured_again_says_the_same_and_the_weights_stay(
    exported_file: Path, csv_file: Path, ferplus_file: Path, tmp_path: Path
) -> None:
    model = exported_file.read_bytes()
    card = read_model_card(model, "stripes.tflite")
    poor_card = msgspec.structs.replace(
        card, threshold=None, evaluation=msgspec.structs.replace(card.evaluation, accuracy=0.0, risk_coverage=[])
    )
    poor_file, output = tmp_path / "poor.tflite", tmp_path / "updated.tflite"
    poor_file.write_bytes(append_model_card(bare_weights(model), poor_card))
    command = ["model", "update-card", str(poor_file), "--data", str(csv_file), "--output", str(output)]
    assert main([*command, "--ferplus", str(ferplus_file)]) == 0
    assert output.read_bytes() == model


def test_a_card_is_not_measured_on_other_data(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "updated.tflite"
    command = ["model", "update-card", str(DEFAULT_MODEL), "--data", str(csv_file), "--output", str(output)]
    assert main(command) == 5
    assert "give the same --data and --ferplus again" in capsys.readouterr().err
    assert not output.exists()
    command[2] = str(tmp_path / "model.keras")
    assert main(command) == 2
    assert "is not a .tflite file" in capsys.readouterr().err


@pytest.mark.parametrize(("quantization", "bytes_per_parameter"), [("float16", 2), ("float32", 4)])
def test_other_quantizations_are_larger_and_predict_the_same_as_keras(
    tmp_path: Path,
    finished_run: RunFolder,
    csv_file: Path,
    ferplus_file: Path,
    data: Dataset,
    quantization: str,
    bytes_per_parameter: int,
) -> None:
    output = tmp_path / "float.tflite"
    data_options = ["--data", str(csv_file), "--ferplus", str(ferplus_file)]
    options = [*data_options, "--output", str(output), "--quantization", quantization]
    assert main(["model", "export", str(finished_run.path), *options]) == 0
    parameters = keras.models.load_model(finished_run.model_file).count_params()
    assert output.stat().st_size == pytest.approx(bytes_per_parameter * parameters, rel=0.1)
    images = data.split("PublicTest").images
    tflite_scores, keras_scores = (load_predictor(file)[0](images) for file in (output, finished_run.model_file))
    assert tflite_scores == pytest.approx(keras_scores, abs=0.02)


def test_the_shipped_model_has_only_operations_that_devices_support() -> None:
    operations = operation_names(DEFAULT_MODEL.read_bytes())
    assert "CONV_2D" in operations
    assert not set(operations) & set(UNSUPPORTED_OPERATIONS)


def test_a_network_that_is_not_unrolled_is_refused(tmp_path: Path, data: Dataset) -> None:
    image = keras.Input((48, 48, 1))
    rows = keras.layers.Reshape((48, 48))(image)
    scores = keras.layers.Dense(7, activation="softmax")(keras.layers.LSTM(8)(rows))
    training, test_set = data.split("Training"), data.split("PublicTest")
    output = tmp_path / "loop.tflite"
    with pytest.raises(TrainingError, match="unroll its LSTMs"):
        export(
            keras.Model(image, scores), output, quantization="int8", recipe=Recipe(), calibration="",
            training=training, train_set=training, held_out=test_set, test_set=test_set,
        )  # fmt: skip
    assert not output.exists()


def test_invalid_options_are_reported(
    tmp_path: Path, finished_run: RunFolder, csv_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(csv_file), "--output", str(tmp_path / "model.tflite")]
    assert main(["model", "export", str(finished_run.path), *options, "--quantization", "int4"]) == 2
    assert "there is no quantization 'int4': choose from int8, float16, float32" in capsys.readouterr().err
    assert main(["model", "export", str(tmp_path), *options]) == 2
    assert "the folder contains no run" in capsys.readouterr().err
    assert main(["model", "export", str(finished_run.path), *options]) == 5
    assert "was started with other data: give the same --data and --ferplus" in capsys.readouterr().err

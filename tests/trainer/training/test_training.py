import csv
from pathlib import Path

import keras
import msgspec
import numpy as np
import pytest

from mien.errors import DataError, TrainingError
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.split import split_held_out
from mien.trainer.evaluation.evaluation import load_predictor
from mien.trainer.models.networks import hero, hero_member
from mien.trainer.recipe import Recipe
from mien.trainer.run_folder import RunFolder
from mien.trainer.training.training import train
from mien.trainer.training.validation import validation_set

pytestmark = pytest.mark.timeout(1200)

QUICK_RECIPE = Recipe(epochs=5, batch_size=14, network="cnn", class_weighting=0.0)


def train_run(folder: Path, data: Dataset, recipe: Recipe) -> RunFolder:
    run = RunFolder(folder)
    train_set, held_out = split_held_out(data, seed=recipe.seed)
    train(run, recipe, train_set, held_out, lambda name: [])
    return run


def read_history(run: RunFolder) -> list[dict[str, str]]:
    with run.history_file.open() as text:
        return list(csv.DictReader(text))


def test_a_network_learns_patterns_that_can_be_learned(tmp_path: Path, data: Dataset) -> None:
    history = read_history(train_run(tmp_path, data, QUICK_RECIPE))
    assert float(history[-1]["loss"]) < 0.6 * float(history[0]["loss"])
    assert max(float(row["held_out_accuracy"]) for row in history) > 0.5


def test_the_best_epoch_is_saved_not_the_last(tmp_path: Path, data: Dataset) -> None:
    run = train_run(tmp_path, data, QUICK_RECIPE)
    best_accuracy = max(float(row["held_out_accuracy"]) for row in read_history(run))
    _, held_out = split_held_out(data, seed=QUICK_RECIPE.seed)
    predict, _ = load_predictor(run.best_file)
    accuracy = float((predict(held_out.images).argmax(axis=1) == held_out.labels).mean())
    assert accuracy == pytest.approx(best_accuracy)


def test_a_prolonged_run_follows_the_learning_rate_of_its_longer_recipe(tmp_path: Path, data: Dataset) -> None:
    short = msgspec.structs.replace(QUICK_RECIPE, epochs=1)
    train_run(tmp_path, data, short)
    run = train_run(tmp_path, data, msgspec.structs.replace(QUICK_RECIPE, epochs=3))
    assert [row["epoch"] for row in read_history(run)] == ["0", "1", "2"]
    optimizer = keras.models.load_model(run.checkpoint_file).optimizer
    steps_per_epoch = 9  # of 126 images
    assert int(optimizer.iterations) == 3 * steps_per_epoch
    assert optimizer._learning_rate.get_config()["decay_steps"] == 2 * steps_per_epoch  # after one of warm-up
    assert optimizer.ema_momentum == 1 - 10 / (3 * steps_per_epoch)


def test_a_recipe_with_corruptions_chooses_its_epoch_on_clean_and_on_corrupted_images(data: Dataset) -> None:
    images, targets = validation_set(data, QUICK_RECIPE)
    assert images is data.images
    corrupting = msgspec.structs.replace(QUICK_RECIPE, corruption_probability=0.5)
    doubled, doubled_targets = validation_set(data, corrupting)
    assert np.array_equal(doubled[: len(data)], images)
    assert np.array_equal(doubled_targets, np.concatenate([targets, targets]))
    assert (doubled[len(data) :] != images).any(axis=(1, 2)).mean() > 0.9
    assert np.array_equal(doubled, validation_set(data, corrupting)[0])


def test_hero_s_members_are_trained_separately_and_predict_together(tmp_path: Path, data: Dataset) -> None:
    recipe = Recipe(epochs=1, batch_size=28, network="hero")
    train_set, held_out = split_held_out(data, seed=1)
    model = train(RunFolder(tmp_path), recipe, train_set, held_out, lambda name: [])
    inputs = np.zeros((2, 48, 48, 1), np.float32)
    logits = []
    for depth in (1, 2, 3):
        member = keras.models.load_model(tmp_path / f"hero-{depth}" / "best.keras")
        logits.append(np.log(member.predict(inputs, verbose=0)))
    expected = np.exp(np.mean(logits, axis=0))
    expected /= expected.sum(axis=1, keepdims=True)
    assert model.predict(inputs, verbose=0) == pytest.approx(expected, abs=1e-5)
    assert hero([hero_member(1)]).count_params() == hero_member(1).count_params()


def test_a_loss_that_is_not_a_number_stops_the_run_at_the_last_good_epoch(tmp_path: Path, data: Dataset) -> None:
    diverging_recipe = Recipe(epochs=2, batch_size=28, network="cnn", learning_rate=1e30, warmup_epochs=0)
    message = r"the loss is no longer a number at batch \d+: start another run with a lower"
    with pytest.raises(TrainingError, match=message):
        train_run(tmp_path, data, diverging_recipe)


def test_an_emotion_without_images_is_reported(tmp_path: Path, data: Dataset) -> None:
    with pytest.raises(DataError, match=r"has no disgust images to learn from"):
        train_run(tmp_path, data.select(data.labels != 1), QUICK_RECIPE)

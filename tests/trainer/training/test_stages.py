"""The stages of a recipe that learn from images without their labels."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest

from mien.trainer.data.dataset import Dataset
from mien.trainer.data.split import split_held_out, split_labelled
from mien.trainer.models.autoencoder import build_autoencoder
from mien.trainer.models.networks import NETWORKS
from mien.trainer.recipe import Recipe
from mien.trainer.run_folder import RunFolder
from mien.trainer.training.pretraining import NoisyImages, pretrain
from mien.trainer.training.training import train

pytestmark = pytest.mark.timeout(1200)

RECIPE = Recipe(network="gabor-cnn", epochs=2, batch_size=14, pretraining_epochs=4)


def loss(folder: Path, recipe: Recipe, images: np.ndarray) -> float:
    """Of the autoencoder that the stage in a folder has trained, on the noisy images of another epoch."""
    autoencoder = keras.models.load_model(RunFolder(folder).subfolder("autoencoder").checkpoint_file)
    batches = NoisyImages(images, recipe)
    batches.epoch = 9
    return float(autoencoder.evaluate(batches, verbose=0))


def test_the_convolutions_learn_without_labels_and_the_network_has_what_they_learned(
    tmp_path: Path, data: Dataset
) -> None:
    recipe = pretrain(RunFolder(tmp_path), RECIPE, data.images, lambda name: [])
    assert loss(tmp_path, RECIPE, data.images) < 0.9
    network = keras.models.load_model(str(recipe.init_from))
    autoencoder = keras.models.load_model(RunFolder(tmp_path).subfolder("autoencoder").checkpoint_file)
    kernels = [layer.get_weights()[0] for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    learned = [layer.get_weights()[0] for layer in autoencoder.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(kernels) > 3
    assert all(np.array_equal(kernel, other) for kernel, other in zip(kernels, learned, strict=False))


def test_a_killed_pretraining_goes_on_from_its_last_epoch(tmp_path: Path, data: Dataset) -> None:
    class _Kill(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    pretrain(RunFolder(whole), RECIPE, data.images, lambda name: [])
    with pytest.raises(KeyboardInterrupt):
        pretrain(RunFolder(killed), RECIPE, data.images, lambda name: [_Kill()])
    pretrain(RunFolder(killed), RECIPE, data.images, lambda name: [])
    assert loss(killed, RECIPE, data.images) == pytest.approx(loss(whole, RECIPE, data.images), rel=0.02)


def test_an_autoencoder_gives_back_images_of_the_same_shape() -> None:
    for name in ("cnn-bilstm", "cnn-residual-32", "hero-1"):
        autoencoder = build_autoencoder(NETWORKS[name]())  # type: ignore[index]
        assert autoencoder.output_shape == autoencoder.input_shape


def test_a_round_keeps_confident_predictions_and_says_how_many_were_right(tmp_path: Path, data: Dataset) -> None:
    recipe = Recipe(
        network="cnn", epochs=6, batch_size=14, labelled_share=0.4, pseudo_label_rounds=1, pseudo_label_entropy=1.9
    )
    train_set, held_out = split_held_out(data, seed=1)
    model = train(RunFolder(tmp_path), recipe, train_set, held_out, lambda name: [])
    with (tmp_path / "pseudo-labels.csv").open() as text:
        (row,) = csv.DictReader(text)
    _, unlabelled = split_labelled(train_set, 0.4, seed=1)
    assert 0 < int(row["kept"]) <= len(unlabelled)
    assert float(row["share"]) == pytest.approx(int(row["kept"]) / len(unlabelled), abs=1e-4)
    assert 0 <= float(row["right"]) <= 1
    last = keras.models.load_model(tmp_path / "round-1" / "best.keras")
    assert all(map(np.array_equal, model.get_weights(), last.get_weights()))


def test_each_emotion_keeps_the_same_share_of_its_labels(data: Dataset) -> None:
    labelled, unlabelled = split_labelled(data, 0.5, seed=3)
    assert len(labelled) + len(unlabelled) == len(data)
    counts = zip(labelled.emotion_counts(), data.emotion_counts(), strict=True)
    assert all(abs(part - whole / 2) <= 0.5 for part, whole in counts)
    everything, nothing = split_labelled(data, 1.0, seed=3)
    assert (len(everything), len(nothing)) == (len(data), 0)

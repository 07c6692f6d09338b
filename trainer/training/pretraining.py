"""Trains a network's convolutions without labels: they learn to clean noisy images, as an autoencoder."""

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.model.preprocessing import TARGET_DEVIATION, TARGET_MEAN
from mien.trainer.data.batches import Batch, Batches
from mien.trainer.models.autoencoder import build_autoencoder
from mien.trainer.output_file import output_file
from mien.trainer.recipe import ModelFile, Recipe
from mien.trainer.run_folder import RunFolder

from .fitting import CreateCallbacks, fit_epochs, initial_network, learning_rate_schedule

NOISE_DEVIATION = 25.0
"""In gray levels, of the noise that is to be removed: half of the standardized contrast."""


def pretrain(run: RunFolder, recipe: Recipe, images: NDArray[np.uint8], create_callbacks: CreateCallbacks) -> Recipe:
    """Train the recipe's convolutions on (count, 48, 48) images; the recipe that starts from the result.

    The result is in the run's subfolder `autoencoder`, with a classifier that has learned nothing.
    TrainingError as for `fit_epochs`, or if the network has no convolutions of its own.
    """
    stage = run.subfolder("autoencoder")
    if not stage.best_file.exists():
        keras.utils.set_random_seed(recipe.seed)
        network = initial_network(run, recipe)
        autoencoder = build_autoencoder(network)
        batches = NoisyImages(images, recipe)
        optimizer = keras.optimizers.AdamW(
            learning_rate_schedule(recipe, recipe.pretraining_epochs, steps_per_epoch=len(batches)),
            weight_decay=recipe.weight_decay,
        )
        autoencoder.compile(optimizer, "mean_squared_error")
        if stage.checkpoint_file.exists():
            _resume(autoencoder, keras.models.load_model(stage.checkpoint_file))
        callbacks = create_callbacks(autoencoder.name)
        first_epoch = int(optimizer.iterations) // len(batches)
        epochs = recipe.pretraining_epochs
        fit_epochs(autoencoder, batches, stage, callbacks, epochs=epochs, first_epoch=first_epoch)
        with output_file(stage.best_file) as part:
            network.save(part)
    return msgspec.structs.replace(recipe, init_from=ModelFile(str(stage.best_file.resolve())), backbone_weights=None)


def _resume(autoencoder: keras.Model, checkpoint: keras.Model) -> None:
    """Copy weights and optimizer into the autoencoder that shares its layers with the network."""
    autoencoder.set_weights(checkpoint.get_weights())
    autoencoder.optimizer.build(autoencoder.trainable_variables)
    for variable, value in zip(autoencoder.optimizer.variables, checkpoint.optimizer.variables, strict=True):
        variable.assign(value)


class NoisyImages(Batches):
    """Augmented images with noise, and as targets the same images without, standardized to mean 0 and deviation 1."""

    def __init__(self, images: NDArray[np.uint8], recipe: Recipe) -> None:
        nothing = np.zeros((len(images), 1), np.float32)
        super().__init__(images, nothing, nothing[:, 0], msgspec.structs.replace(recipe, mixup=0.0))

    def __getitem__(self, index: int) -> Batch:
        images, _, _ = super().__getitem__(index)
        random = np.random.default_rng((self._recipe.seed, self.epoch, index + 1, 1))
        noise = random.normal(0, NOISE_DEVIATION, images.shape).astype(np.float32)
        targets = ((images - TARGET_MEAN) / TARGET_DEVIATION).astype(np.float32)
        return np.clip(images + noise, 0, 255), targets, np.ones((len(images), 1, 1), np.float32)

"""Learning from images without labels: the network's own confident predictions become labels, round by round."""

import csv

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.trainer.data.batches import to_network_input
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.targets import one_hot
from mien.trainer.models.inference import predict_scores
from mien.trainer.output_file import output_file
from mien.trainer.recipe import ModelFile, Recipe
from mien.trainer.run_folder import RunFolder

from .fitting import CreateCallbacks, fit_network


def train_on_pseudo_labels(
    run: RunFolder,
    recipe: Recipe,
    labelled: Dataset,
    targets: NDArray[np.float32],
    unlabelled: Dataset,
    held_out: Dataset,
    create_callbacks: CreateCallbacks,
) -> keras.Model:
    """Train on `labelled` and its (count, 7) targets, then in each round on confident predictions of the rest as well.

    Pseudo-labels (Lee, ICML workshop 2013), kept below the recipe's entropy, since low entropy marks the regions
    where classes are well separated (Grandvalet and Bengio, NIPS 2004). Each round goes on from the model of the
    former, labels all of `unlabelled` anew, and trains in a subfolder of the run for the recipe's epochs.
    pseudo-labels.csv says what each round kept and how much of it was right: the only use of those images' labels.
    """
    model = fit_network(run.subfolder("round-0"), recipe, labelled.images, targets, held_out, create_callbacks)
    inputs = to_network_input(unlabelled.images)
    rows = []
    for number in range(1, recipe.pseudo_label_rounds + 1):
        scores = predict_scores(model, inputs)
        kept = entropy(scores) < recipe.pseudo_label_entropy
        labels = scores.argmax(axis=1).astype(np.uint8)
        right = float((labels == unlabelled.labels)[kept].mean()) if kept.any() else 0.0
        rows.append({"round": number, "kept": int(kept.sum()), "share": round(float(kept.mean()), 4), "right": right})
        with output_file(run.path / "pseudo-labels.csv") as part, part.open("w", newline="") as text:
            writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        former = run.subfolder(f"round-{number - 1}").best_file.resolve()
        model = fit_network(
            run.subfolder(f"round-{number}"),
            msgspec.structs.replace(recipe, init_from=ModelFile(str(former)), backbone_weights=None),
            np.concatenate([labelled.images, unlabelled.images[kept]]),
            np.concatenate([targets, one_hot(labels[kept])]),
            held_out,
            create_callbacks,
        )
    return model


def entropy(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(count,) Shannon entropies in nats of (count, 7) scores."""
    entropies: NDArray[np.float32] = -(scores * np.log(np.maximum(scores, 1e-9))).sum(axis=1)
    return entropies

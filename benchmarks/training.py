"""How much of a training step goes to preparing its pictures: python benchmarks/training.py [--json].

augmentation_share is the time to augment and prepare one batch of 64 over one step of the CNN-BiLSTM on it.
"""

import argparse

import numpy as np
from measure import median_ms, print_figures

from mien.trainer.augmentation import Augmentation
from mien.trainer.batches import Batches
from mien.trainer.memory import keep_freed_memory
from mien.trainer.networks import cnn_bilstm
from mien.trainer.targets import one_hot

PICTURES = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    keep_freed_memory()
    random = np.random.default_rng(1)
    pictures = random.integers(0, 256, (PICTURES, 48, 48)).astype(np.uint8)
    goals, weights = one_hot(random.integers(0, 7, PICTURES).astype(np.uint8)), np.ones(PICTURES, np.float32)
    batches = Batches(pictures, goals, weights, batch_size=PICTURES, seed=1, augmentation=Augmentation())
    network = cnn_bilstm()
    network.compile("adamw", "categorical_crossentropy")
    batch = batches[0]
    batch_ms = median_ms(lambda: batches[0], repeats=20)
    step_ms = median_ms(lambda: network.train_on_batch(*batch), repeats=20)
    figures = {"batch_ms": batch_ms, "step_ms": step_ms, "augmentation_share": batch_ms / (batch_ms + step_ms)}
    print_figures("one training step", figures, as_json=options.json)


if __name__ == "__main__":
    main()

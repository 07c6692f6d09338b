"""The share of a training step that goes to preparing its images: python benchmarks/training.py [--repeats N] [--json].

augmentation_share: the time to augment and preprocess a batch by the default recipe, relative to that plus one step of
the CNN-BiLSTM.
"""

import numpy as np
from parts.measure import Metrics, benchmark_parser, median_ms, print_metrics

from mien.trainer.data.batches import Batches
from mien.trainer.data.targets import one_hot
from mien.trainer.models.networks import cnn_bilstm
from mien.trainer.recipe import Recipe
from mien.trainer.training.hardware import keep_freed_memory


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    keep_freed_memory()
    recipe = Recipe()
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (recipe.batch_size, 48, 48)).astype(np.uint8)
    targets = one_hot(random.integers(0, 7, recipe.batch_size).astype(np.uint8))
    weights = np.ones(recipe.batch_size, np.float32)
    batches = Batches(images, targets, weights, recipe)
    network = cnn_bilstm()
    network.compile("adamw", "categorical_crossentropy")
    batch = batches[0]
    batch_ms = median_ms(lambda: batches[0], repeats=options.repeats)
    step_ms = median_ms(lambda: network.train_on_batch(*batch), repeats=options.repeats)
    metrics: Metrics = {
        "batch_ms": batch_ms,
        "step_ms": step_ms,
        "augmentation_share": batch_ms / (batch_ms + step_ms),
    }
    print_metrics("one training step", metrics, as_json=options.json)


if __name__ == "__main__":
    main()

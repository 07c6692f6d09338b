"""The recipe of one training run; written into its folder as config.json."""

import msgspec

from .targets import Labels


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides a run's outcome besides the data."""

    network: str = "cnn-bilstm"
    """A name in `mien.trainer.networks.NETWORKS`."""
    start: str | None = None
    """The `.keras` file whose weights the run starts from; random weights unless set."""
    labels: Labels = "fer"
    """fer: FER-2013's labels. ferplus: the votes of FER+. mix: half of each."""
    teacher: str | None = None
    """The `.keras` file of a model whose answers are half of each target; see `mien.trainer.teaching`."""
    epochs: int = 30
    batch_size: int = 64
    seed: int = 1
    learning_rate: float = 2e-3
    """The peak, reached after `warmup_epochs`, then a cosine down to a hundredth of it."""
    warmup_epochs: float = 1.0
    weight_decay: float = 0.02
    label_smoothing: float = 0.0
    class_weighting: float = 0.5
    """The power in `mien.trainer.targets.picture_weights`: 0 leaves rare emotions rare, 1 balances all."""
    average_momentum: float = 0.998
    """Of the exponential moving average over the weights, which is the model that a run ends with.
    Less in short runs: the average reaches back a tenth of a run at most."""
    rotation_degrees: float = 8.0
    scale: float = 0.1
    shift_pixels: float = 3.0
    erased_share: float = 0.0
    mixup: float = 0.0
    """Alpha of the Beta distribution by which pictures are blended; 0 blends none."""
    mixed_precision: bool = False
    """Multiply in 16 bits and keep the weights in 32, on devices that gain by it."""

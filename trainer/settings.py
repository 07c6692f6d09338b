"""The recipe of one training run; written into its folder as config.json."""

from typing import Literal

import msgspec


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides a run's outcome besides the data."""

    network: str = "cnn-bilstm"
    """A name in `mien.trainer.networks.NETWORKS`."""
    start: str | None = None
    """The `.keras` file whose weights the run starts from; random weights unless set."""
    labels: Literal["fer", "mix"] = "fer"
    """fer: FER-2013's labels. mix: half these, half the votes of FER+."""
    epochs: int = 14
    batch_size: int = 64
    seed: int = 1
    learning_rate: float = 2e-3
    """The peak, reached after `warmup_epochs`, then a cosine down to a hundredth of it."""
    warmup_epochs: float = 0.5
    weight_decay: float = 1e-3
    label_smoothing: float = 0.1
    average_momentum: float = 0.998
    """Of the exponential moving average over the weights, which is the model that a run ends with."""
    rotation_degrees: float = 10.0
    scale: float = 0.1
    shift_pixels: float = 4.0
    erased_share: float = 0.0

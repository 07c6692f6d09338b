"""The recipe of a training run: every hyperparameter, with its type, limits, default and description, stated once."""

from typing import Annotated, Literal, NewType

from msgspec import Meta, Struct

NetworkName = Literal[
    "cnn-bilstm",
    "cnn-bilstm-both",
    "cnn-bilstm-residual",
    "cnn",
    "cnn-same-size",
    "cnn-residual",
    "cnn-residual-32",
    "bilstm",
    "gabor-cnn",
    "mobilenet-v2",
    "efficientnet-b0",
    "efficientnet-lite0",
    "hero",
    "hero-1",
    "hero-2",
    "hero-3",
]
"""Built by `mien.trainer.models.networks.NETWORKS`."""
LabelSource = Literal["fer", "ferplus", "mix"]
ModelFile = NewType("ModelFile", str)
"""The path of a `.keras` file, absolute or relative to the folder of the recipe's file, which is the run's folder."""


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything besides the data that determines a run's outcome, stored in the run's folder as recipe.json.

    Each field is also an option of `mien train`; the first sentence of its docstring is the option's help.
    """

    network: NetworkName = "cnn-bilstm"
    """The network to train."""
    init_from: ModelFile | None = None
    """Start from the weights of this .keras model. Random weights if None."""
    backbone_weights: ModelFile | None = None
    """Start a pretrained network from this file of ImageNet weights. See `mien.trainer.models.pretrained`."""
    pretraining_epochs: Annotated[int, Meta(ge=0)] = 0
    """First train the convolutions as an autoencoder for so many epochs. It needs no labels: see
    `mien.trainer.training.pretraining`."""
    labels: LabelSource = "fer"
    """FER-2013's labels, FER+'s votes or half of each."""
    labelled_share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Share of the Training images whose labels are used. The same share of each emotion; the others count as
    unlabelled."""
    pseudo_label_rounds: Annotated[int, Meta(ge=0, le=20)] = 0
    """Rounds of further training on the network's own confident predictions of unlabelled images. Each takes `epochs`
    again: see `mien.trainer.training.self_training`."""
    pseudo_label_entropy: Annotated[float, Meta(gt=0, le=2)] = 0.3
    """Entropy in nats below which a prediction counts as a label in these rounds. Seven even scores have 1.95."""
    teacher: ModelFile | None = None
    """Distill this .keras model: its predictions are half of each target. See `mien.trainer.training.distillation`."""
    epochs: Annotated[int, Meta(ge=1)] = 30
    """Passes over the Training images."""
    batch_size: Annotated[int, Meta(ge=1)] = 64
    """Images per step."""
    seed: Annotated[int, Meta(ge=0)] = 1
    """Determines initial weights, held-out images, order and augmentation."""
    learning_rate: Annotated[float, Meta(ge=1e-6)] = 2e-3
    """Peak of the cosine schedule. It is reached after `warmup_epochs`; the schedule ends at a hundredth of it."""
    warmup_epochs: Annotated[float, Meta(ge=0)] = 1.0
    """Epochs in which the learning rate rises to its peak."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.02
    """Weight decay of AdamW."""
    label_smoothing: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    """Share of each label to spread evenly over all emotions."""
    confusion_smoothing: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    """Share of each label to spread over the emotions that people confuse it with. See
    `mien.trainer.data.targets`."""
    class_weighting: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """0 leaves rare emotions rare, 1 gives all emotions the same weight. The power in
    `mien.trainer.data.targets.image_weights`."""
    ema_momentum: Annotated[float, Meta(ge=0, le=1)] = 0.998
    """Momentum of the exponential moving average (EMA) of the weights, which becomes the model. Lower in short runs:
    the EMA spans at most a tenth of a run."""
    rotation_degrees: Annotated[float, Meta(ge=0, le=45)] = 8.0
    """Rotate images by up to this angle."""
    scale: Annotated[float, Meta(ge=0, le=0.5)] = 0.1
    """Scale images by up to this share. Sizes are from 1 - scale to 1 + scale."""
    shift_pixels: Annotated[float, Meta(ge=0, le=12)] = 3.0
    """Shift images by up to this distance."""
    erase_probability: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Chance that a part of an image is erased. Noise replaces a rectangle of a tenth to a quarter of the image."""
    corruption_probability: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Chance that an image is corrupted as by a camera. Blur, low resolution, JPEG, noise, bad light or a covered part:
    `mien.trainer.data.corruption`. The best epoch is then chosen on clean and corrupted images alike."""
    mixup: Annotated[float, Meta(ge=0)] = 0.0
    """Alpha of mixup's Beta distribution; 0 disables mixup. Images are blended by it (Zhang et al., ICLR 2018)."""
    mixed_precision: bool | None = None
    """Compute in 16 bits; the default on accelerators. The weights stay in 32 bits. A run records what it used."""

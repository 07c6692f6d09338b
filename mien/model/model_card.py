"""The model card inside a model's own file: what the model is, what it may be used for, and how accurate it is.

A model file is a `.tflite` with a zip archive appended, as in the TFLite Metadata convention: runtimes read the front
and ignore the rest, and any unzip program reads the model card.
"""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from mien.emotions import EMOTIONS
from mien.errors import ModelError

DEFAULT_MODEL = Path(__file__).parent / "default.tflite"
"""The model that mien ships with."""
CARD_FILE = "card.json"
LABELS_FILE = "labels.txt"
INPUT_SHAPE = (1, 48, 48, 1)
"""One preprocessed gray image (`mien.model.preprocessing`)."""


class EmotionScore(Struct, frozen=True, kw_only=True):
    """How well one emotion is recognized, as fractions."""

    precision: float
    recall: float
    f1: float
    support: int
    """Images of this emotion in the evaluation."""


class Evaluation(Struct, frozen=True, kw_only=True):
    """A model's scores on one split, as fractions; on a model card, those of that very file, run by the runtime."""

    data: str
    split: str
    count: int
    accuracy: float
    macro_f1: float
    """Mean F1 score of all emotions that have an image: a rare emotion weighs as much as a frequent one."""
    accuracy_without_leaks: float | None = None
    """Without the images that were also in its training data; None if that was not available."""
    leaks: int | None = None
    """Number of images that this excludes."""
    ferplus_majority: float | None = None
    """Accuracy on the images where more than half of FER+'s ten annotators chose the same one of the seven emotions."""
    ferplus_majority_count: int | None = None
    ece_fer: float | None = None
    """Expected calibration error on the labels: the gap between confidence and accuracy (Guo et al., ICML 2017)."""
    ece_ferplus: float | None = None
    """The same on the images of `ferplus_majority`."""
    selective_at_80: float | None = None
    """`ferplus_majority` on the 80 % of its images with the most confident predictions."""
    risk_coverage: list[tuple[float, float]] = []
    """Coverage and risk, in steps of coverage: the share of the images of `ferplus_majority` that is kept, the most
    confident predictions first, and how often these are wrong."""
    intervals: dict[str, tuple[float, float]] = {}
    """95 % bootstrap intervals of the metrics, by field name."""
    per_emotion: dict[str, EmotionScore] = {}
    confusion: list[list[int]] = []
    """Rows are the labels, columns the model's predictions, both in the order of EMOTIONS."""


class ConfidenceThreshold(Struct, frozen=True, kw_only=True):
    """The confidence below which a prediction is better shown as uncertain; the metrics are fractions.

    "Uncertain" is no emotion of its own: a prediction keeps its emotion and its confidence wherever it is sent or
    stored, and only what people read is derived from this.
    """

    confidence: float
    """A prediction with less is uncertain."""
    accuracy: float
    """Of the predictions with at least this confidence, on the images that it was chosen on."""
    coverage: float
    """Their share of those images."""
    chosen_on: str
    """A description of those images, none of which the model learned from, nor is tested on."""


class ModelCard(Struct, frozen=True, kw_only=True):
    """A model card. `mien.model.classifier` refuses a model whose card is incompatible with this release."""

    schema: Literal[1] = 1
    network: str
    parameters: int
    labels: tuple[str, ...] = EMOTIONS
    input_shape: tuple[int, ...] = INPUT_SHAPE
    preprocessing: str
    """`mien.model.preprocessing.PREPROCESSING_ID` at the time of training."""
    weights_sha256: str
    """Of the file without its model card."""
    quantization: str
    training_data: str
    recipe: dict[str, Any]
    evaluation: Evaluation
    calibration: str = "none: a confidence is the network's own softmax score"
    threshold: ConfidenceThreshold | None = None
    """None: none was chosen, and no prediction is shown as uncertain."""
    intended_use: str = (
        "Counting which expressions faces show, for installations, research and teaching, where the people filmed have "
        "been informed. The prediction is the label an observer would give, not what a person feels."
    )
    prohibited_use: str = (
        "Judging, selecting or monitoring people. Emotion recognition at work and in education is prohibited in the EU "
        "except for medical or safety reasons (AI Act, Article 5(1)(f)); people exposed to it must be informed "
        "(Article 50(3))."
    )
    license: str = "MODEL_LICENSE: trained on faces collected from the web without documented consent, no warranty"

    @property
    def model_id(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the weights: the name of the model in observations."""
        return self.weights_sha256[:12]


def append_model_card(weights: bytes, card: ModelCard) -> bytes:
    """A complete model file from a bare `.tflite` and its model card."""
    model = io.BytesIO(weights)
    with zipfile.ZipFile(model, "a", zipfile.ZIP_DEFLATED) as archive:
        # ZipInfo's default date is fixed: the same weights and card always make the same file.
        archive.writestr(zipfile.ZipInfo(CARD_FILE), msgspec.json.format(msgspec.json.encode(card)))
        archive.writestr(zipfile.ZipInfo(LABELS_FILE), "\n".join(card.labels) + "\n")
    return model.getvalue()


def bare_weights(model: bytes) -> bytes:
    """A model file's bytes without its model card: the inverse of `append_model_card`. BadZipFile if it has none."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        return model[: min(member.header_offset for member in archive.infolist())]


def read_model_card(model: bytes, name: str) -> ModelCard:
    """The model card in a model file's bytes. ModelError if there is none, or if it belongs to other weights."""
    hint = "export the model again with `mien model export`"
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            card = msgspec.json.decode(archive.read(CARD_FILE), type=ModelCard)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"{name} has no model card: {hint}") from error
    except msgspec.DecodeError as error:
        raise ModelError(f"{name} has a model card that cannot be read ({error}): {hint}") from error
    if hashlib.sha256(bare_weights(model)).hexdigest() != card.weights_sha256:
        raise ModelError(f"{name} is damaged (its weights do not match its model card): copy it again or {hint}")
    return card


def read_model(path: Path) -> tuple[bytes, ModelCard]:
    """A model file's bytes and its model card. ModelError if it cannot be read, or as for `read_model_card`."""
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): check the path of the model") from error
    return model, read_model_card(model, str(path))


def check_model_card(card: ModelCard, preprocessing: str, name: str) -> None:
    """ModelError if a model card is incompatible with this release."""
    hint = "export it again with this release's `mien model export`"
    if card.labels != EMOTIONS:
        labels, expected = ", ".join(card.labels), ", ".join(EMOTIONS)
        raise ModelError(f"{name} predicts {labels}; this release expects {expected}: {hint}")
    if card.input_shape != INPUT_SHAPE:
        raise ModelError(f"{name} expects {card.input_shape} images, this release makes {INPUT_SHAPE}: {hint}")
    if card.preprocessing != preprocessing:
        raise ModelError(f"{name} expects {card.preprocessing} crops, this release makes {preprocessing}: {hint}")

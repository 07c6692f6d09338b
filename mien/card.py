"""The model card: what a model is, what it may be used for and how good it is, inside the model's own file.

A model file is one `.tflite` with a zip appended, as in the TFLite Metadata convention: runtimes read the front and
ignore the rest, any unzip program reads the card.
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

DEFAULT_MODEL = Path(__file__).parent / "models" / "default.tflite"
"""The model that ships."""
CARD_FILE = "card.json"
LABELS_FILE = "labels.txt"
INPUT_SHAPE = (1, 48, 48, 1)
"""One prepared grey picture (`mien.preprocessing`)."""


class ClassScore(Struct, frozen=True, kw_only=True):
    """How well one emotion is told, as fractions."""

    precision: float
    recall: float
    f1: float
    support: int
    """Pictures of this emotion in the evaluation."""


class Evaluation(Struct, frozen=True, kw_only=True):
    """The scores of a model on one split, as fractions; on a card, those of that very file through the runtime."""

    data: str
    usage: str
    count: int
    accuracy: float
    macro_f1: float
    """Mean of the F1 scores of all emotions with a picture: a rare emotion weighs as much as a frequent one."""
    accuracy_without_leaks: float | None = None
    """Without the pictures that are also among those it learned from; None if those were not at hand."""
    leaks: int | None = None
    """How many pictures that leaves out."""
    ferplus_majority: float | None = None
    """Accuracy where more than half of FER+'s ten people chose one of the seven emotions."""
    ferplus_majority_count: int | None = None
    ece: float | None = None
    """Expected calibration error on the labels: how far confidence and accuracy lie apart (Guo et al., ICML 2017)."""
    ece_ferplus: float | None = None
    """The same where `ferplus_majority` is measured."""
    intervals: dict[str, tuple[float, float]] = {}
    """95 % bootstrap intervals of the figures of these names."""
    per_class: dict[str, ClassScore]
    confusion: list[list[int]] = []
    """Rows are the labels, columns the model's answers, both in the order of EMOTIONS."""


class Card(Struct, frozen=True, kw_only=True):
    """A model's card. `mien.classifier` refuses a model whose card disagrees with this release."""

    schema: Literal[1] = 1
    network: str
    parameters: int
    labels: tuple[str, ...] = EMOTIONS
    input_shape: tuple[int, ...] = INPUT_SHAPE
    preprocessing: str
    """`mien.preprocessing.PREPROCESSING` at the time of training."""
    weights_sha256: str
    """Of the file without its card."""
    quantisation: str
    training_data: str
    recipe: dict[str, Any]
    evaluation: Evaluation
    calibration: str = "none: a confidence is the network's own softmax score"
    intended_use: str = (
        "Counting which expressions faces show where those filmed have been told, for installations, research and "
        "teaching. The answer is the label an onlooker would give, not what a person feels."
    )
    prohibited_use: str = (
        "Judging, selecting or monitoring people; at work and in education emotion recognition is prohibited in the EU "
        "but for medical and safety reasons (AI Act, Article 5(1)(f)); people exposed must be told (Article 50(3))."
    )
    license: str = "MODEL_LICENSE: trained on faces collected from the web without documented consent, no warranty"


def append_card(weights: bytes, card: Card) -> bytes:
    """A whole model file from a bare `.tflite` and its card."""
    whole = io.BytesIO(weights)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as archive:
        # ZipInfo's fixed date: the same weights and card always give the same file.
        archive.writestr(zipfile.ZipInfo(CARD_FILE), msgspec.json.format(msgspec.json.encode(card)))
        archive.writestr(zipfile.ZipInfo(LABELS_FILE), "\n".join(card.labels) + "\n")
    return whole.getvalue()


def read_card(model: bytes, name: str) -> Card:
    """The card of a model file's bytes. ModelError if there is none, or if it is not of these weights."""
    cure = "export the model again with `mien export`"
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            card = msgspec.json.decode(archive.read(CARD_FILE), type=Card)
            start = min(member.header_offset for member in archive.infolist())
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"{name} has no model card: {cure}") from error
    except msgspec.DecodeError as error:
        raise ModelError(f"{name} has a card that cannot be read ({error}): {cure}") from error
    if hashlib.sha256(model[:start]).hexdigest() != card.weights_sha256:
        raise ModelError(f"{name} is damaged, its weights are not those on its card: copy it again or {cure}")
    return card


def read_model(path: Path) -> tuple[bytes, Card]:
    """A model file's bytes and its card. ModelError if it cannot be read, or as for `read_card`."""
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): check the path of the model") from error
    return model, read_card(model, str(path))


def check_card(card: Card, preprocessing: str, name: str) -> None:
    """ModelError where a card disagrees with this release."""
    cure = "export it again with this release's `mien export`"
    if card.labels != EMOTIONS:
        raise ModelError(f"{name} answers {', '.join(card.labels)}; this release knows {', '.join(EMOTIONS)}: {cure}")
    if card.input_shape != INPUT_SHAPE:
        raise ModelError(f"{name} takes {card.input_shape} pictures, this release gives {INPUT_SHAPE}: {cure}")
    if card.preprocessing != preprocessing:
        raise ModelError(f"{name} expects {card.preprocessing} crops, this release makes {preprocessing}: {cure}")

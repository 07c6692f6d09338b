"""A model's card for people, after Mitchell et al., "Model Cards for Model Reporting", FAT* 2019."""

from collections.abc import Iterable

from mien.card import Card
from mien.emotions import EMOTIONS

from .rows import emotion_rows, figure_rows


def model_card(card: Card) -> str:
    """The card as Markdown, in the sections that Mitchell et al. name."""
    scores = card.evaluation
    recipe = ", ".join(f"{name} {value}" for name, value in card.recipe.items() if value not in (None, 0, False))
    with_intervals = ", with 95 % bootstrap intervals" if scores.intervals else ""
    lines = [
        f"# Model card: {card.network}",
        "",
        "## Model details",
        "",
        f"- Network: {card.network}, {card.parameters:,} parameters; SHA-256 of the weights `{card.weights_sha256}`",
        f"- Quantisation: {card.quantisation}",
        f"- Input: {' x '.join(map(str, card.input_shape))}, {card.preprocessing}; output: {', '.join(card.labels)}",
        f"- Recipe: {recipe}",
        f"- Licence: {card.license}",
        "",
        "## Intended use",
        "",
        card.intended_use,
        "",
        "**Prohibited:** " + card.prohibited_use,
        "",
        "## Factors",
        "",
        "Faces of FER-2013 were collected by search engine: who is in it, of what age, skin and region, was never "
        "recorded, so no score for any group can be given and none should be assumed. Small, turned, covered or badly "
        "lit faces score worse. Expressions are culturally shaped, and a face does not tell what a person feels.",
        "",
        "## Metrics",
        "",
        f"Measured with this very file through its runtime on {scores.count} {scores.usage} pictures of {scores.data}"
        f"{with_intervals}. Leaks are exact copies of pictures that it learned from; FER+ majority: the pictures where "
        "more than half of FER+'s ten people chose the same one of the seven emotions. Calibration: "
        f"{card.calibration}.",
        "",
        "| figure | value | interval |",
        "|---|---|---|",
    ]
    lines += [_row(figure) for figure in figure_rows(scores)]
    lines += ["", "| emotion | precision | recall | F1 | pictures |", "|---|---|---|---|---|"]
    lines += [_row(score) for score in emotion_rows(scores)]
    if scores.confusion:
        lines += ["", "Rows are labels, columns answers:", "", "| | " + " | ".join(EMOTIONS) + " |", "|---" * 8 + "|"]
        lines += [_row((emotion, *counts)) for emotion, counts in zip(EMOTIONS, scores.confusion, strict=True)]
    lines += [
        "",
        "## Training and evaluation data",
        "",
        f"{card.training_data}. FER-2013's labels agree with most of FER+'s ten people on 72 % of the pictures only: "
        "an accuracy of 73 % on its labels is close to their own noise. Some of its test pictures are exact copies of "
        "training pictures.",
        "",
        "## Ethical considerations and caveats",
        "",
        "The pictures were collected from the web without documented consent. The model stores none of them. Do not "
        "use its answers about a single person; count, with the confidence as a floor, and tell those in view.",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"

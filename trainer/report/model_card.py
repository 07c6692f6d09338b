"""Formats a model card for people, after Mitchell et al., "Model Cards for Model Reporting", FAT* 2019."""

from collections.abc import Iterable

from mien.emotions import EMOTIONS
from mien.model.model_card import ModelCard
from mien.trainer.evaluation.metric_rows import emotion_rows, metric_rows


def format_model_card(card: ModelCard) -> str:
    """The card as Markdown, in the sections that Mitchell et al. define."""
    evaluation = card.evaluation
    recipe = ", ".join(f"{name} {value}" for name, value in card.recipe.items() if value not in (None, 0, False))
    with_intervals = ", with 95 % bootstrap intervals" if evaluation.intervals else ""
    lines = [
        f"# Model card: {card.network}",
        "",
        "## Model details",
        "",
        f"- Network: {card.network}, {card.parameters:,} parameters; SHA-256 of the weights `{card.weights_sha256}`",
        f"- Quantization: {card.quantization}",
        f"- Input: {' x '.join(map(str, card.input_shape))}, {card.preprocessing}; output: {', '.join(card.labels)}",
        f"- Recipe: {recipe}",
        f"- License: {card.license}",
        "",
        "## Intended use",
        "",
        card.intended_use,
        "",
        "**Prohibited:** " + card.prohibited_use,
        "",
        "## Factors",
        "",
        "The faces of FER-2013 were collected with a search engine. Who they belong to, of what age, skin color and "
        "region, was never recorded, so scores for groups cannot be given and none should be assumed. Small, turned, "
        "covered or badly lit faces score worse. Expressions are culturally shaped, and a face does not show what a "
        "person feels.",
        "",
        "## Metrics",
        "",
        f"Measured with this very file in its runtime on {evaluation.count} {evaluation.split} images of "
        f"{evaluation.data}{with_intervals}. Leaks are exact copies of images that it learned from; FER+ majority: the "
        "images where more than half of FER+'s ten people chose the same one of the seven emotions. Calibration: "
        f"{card.calibration}.",
        "",
        "| metric | value | interval |",
        "|---|---|---|",
    ]
    lines += [_table_row(row) for row in metric_rows(evaluation)]
    lines += ["", "| emotion | precision | recall | F1 | images |", "|---|---|---|---|---|"]
    lines += [_table_row(row) for row in emotion_rows(evaluation)]
    if evaluation.confusion:
        lines += ["", "Rows are labels, columns are predictions:", ""]
        lines += ["| | " + " | ".join(EMOTIONS) + " |", "|---" * 8 + "|"]
        lines += [_table_row((emotion, *row)) for emotion, row in zip(EMOTIONS, evaluation.confusion, strict=True)]
    lines += _confidence_section(card)
    lines += [
        "",
        "## Training and evaluation data",
        "",
        f"{card.training_data}. FER-2013's labels agree with most of FER+'s ten people on only 72 % of the images: an "
        "accuracy of 73 % on its labels is close to their own noise. Some of its test images are exact copies of "
        "training images.",
        "",
        "## Ethical considerations and caveats",
        "",
        "The images were collected from the web without documented consent. The model stores none of them. Do not use "
        "its predictions about a single person; count them above a minimum confidence, and inform the people in view.",
    ]
    return "\n".join(lines) + "\n"


def _confidence_section(card: ModelCard) -> list[str]:
    """Risk over coverage, and when a prediction is shown as uncertain; empty if the card has neither."""
    points, threshold = card.evaluation.risk_coverage, card.threshold
    if not points and threshold is None:
        return []
    lines = ["", "## Confidence"]
    if points:
        lines += [
            "",
            "How often predictions are wrong (risk) on the images with a FER+ majority, if only a share of them is "
            "kept (coverage), the most confident predictions first:",
            "",
            _table_row(("coverage", *(f"{coverage:.0%}" for coverage, _ in points))),
            "|---" * (len(points) + 1) + "|",
            _table_row(("risk", *(f"{risk:.1%}" for _, risk in points))),
        ]
    if threshold is not None:
        lines += [
            "",
            f"A prediction with a confidence below {threshold.confidence:.4g} is shown as uncertain where people read "
            "it; it is stored and counted as its emotion all the same. The threshold was chosen on "
            f"{threshold.chosen_on}: {threshold.accuracy:.1%} of the {threshold.coverage:.1%} that are not uncertain "
            "are right. These are single images; a device averages the scores of several frames.",
        ]
    return lines


def _table_row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"

"""A model's card for people, after Mitchell et al., "Model Cards for Model Reporting", FAT* 2019."""

from mien.card import Card
from mien.emotions import EMOTIONS

FIGURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "accuracy_without_leaks": "accuracy without copies of training pictures",
    "ferplus_majority": "accuracy where most of FER+'s people agree",
    "ece": "expected calibration error, labels",
    "ece_ferplus": "expected calibration error, FER+ majority",
}


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
        f"{with_intervals}. Calibration: {card.calibration}.",
        "",
        "| figure | value | interval |",
        "|---|---|---|",
    ]
    for name, words in FIGURES.items():
        value = getattr(scores, name)
        low_high = scores.intervals.get(name)
        interval = f"{low_high[0]:.1%} to {low_high[1]:.1%}" if low_high else ""
        if value is not None:
            lines.append(f"| {words} | {value:.2%} | {interval} |")
    lines += ["", "| emotion | precision | recall | F1 | pictures |", "|---|---|---|---|---|"]
    lines += [
        f"| {emotion} | {score.precision:.2f} | {score.recall:.2f} | {score.f1:.2f} | {score.support} |"
        for emotion, score in scores.per_class.items()
    ]
    if scores.confusion:
        lines += ["", "Rows are labels, columns answers:", "", "| | " + " | ".join(EMOTIONS) + " |", "|---" * 8 + "|"]
        lines += [
            f"| {emotion} | " + " | ".join(map(str, counts)) + " |"
            for emotion, counts in zip(EMOTIONS, scores.confusion, strict=True)
        ]
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

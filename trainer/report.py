"""Shows an evaluation: tables on the terminal and the confusion matrix as a picture."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console
from rich.table import Table

from mien.emotions import EMOTIONS

from .evaluation import Report


def print_report(report: Report, console: Console) -> None:
    """Accuracy, macro-F1, the scores of each emotion, and the confusion matrix."""
    console.print(
        f"{report.model} ({report.runtime}) on {report.count} {report.usage} pictures of {report.data}: "
        f"accuracy {report.accuracy:.2%}, macro-F1 {report.macro_f1:.3f}",
        highlight=False,
    )
    if report.ferplus_majority is not None:
        console.print(f"where most of FER+'s people agree: accuracy {report.ferplus_majority:.2%}", highlight=False)
    scores = Table("emotion", title="per class", header_style="bold")
    for name in ("precision", "recall", "F1", "pictures"):
        scores.add_column(name, justify="right")
    for emotion, score in report.per_class.items():
        row = (f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", str(score.support))
        scores.add_row(emotion, *row)
    console.print(scores)
    confusion = Table("label", title="confusion: rows are labels, columns are answers", header_style="bold")
    for emotion in EMOTIONS:
        confusion.add_column(emotion, justify="right")
    for emotion, counts in zip(EMOTIONS, report.confusion, strict=True):
        confusion.add_row(emotion, *map(str, counts))
    console.print(confusion)


def draw_confusion(report: Report, file: Path) -> None:
    """The confusion matrix as a picture; the colour is the share of the row, the number the count."""
    mpl.use("agg")
    counts = np.array(report.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the label's pictures")
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=45, ha="right")
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set(xlabel="answer", ylabel="label", title=f"{report.model} on {report.usage}: {report.accuracy:.1%}")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    figure.savefig(file, dpi=120)
    plt.close(figure)

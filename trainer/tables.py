"""The trainer's tables for the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from mien.emotions import EMOTIONS

from .comparison import Comparison
from .evaluation import Report
from .rows import emotion_rows, figure_rows
from .significance import Interval


def print_report(report: Report, console: Console) -> None:
    """Every figure of an evaluation, with its interval where it has one, and the confusion matrix."""
    figures = Table("figure", title=f"{report.model}, {report.runtime}", header_style="bold")
    figures.add_column(f"{report.count} {report.usage} pictures", justify="right")
    figures.add_column("95 % interval", justify="right")
    for figure in figure_rows(report):
        figures.add_row(*figure)
    console.print(figures)
    scores = Table("emotion", title="per emotion", header_style="bold")
    for name in ("precision", "recall", "F1", "pictures"):
        scores.add_column(name, justify="right")
    for score in emotion_rows(report):
        scores.add_row(*score)
    console.print(scores)
    confusion = Table("label", title="confusion: rows are labels, columns are answers", header_style="bold")
    for emotion in EMOTIONS:
        confusion.add_column(emotion, justify="right")
    for emotion, counts in zip(EMOTIONS, report.confusion, strict=True):
        confusion.add_row(emotion, *map(str, counts))
    console.print(confusion)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """One row a run, best first, each tested against the first; in percent."""
    table = Table("run", "network", title=comparison.title, header_style="bold", box=box.SIMPLE)
    for column in table.columns:
        column.overflow = "fold"
    for name in ("size", "accuracy", "macro-F1", "FER+", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(
            row.run,
            row.network,
            f"{row.parameters / 1e6:.2f} M",
            f"{row.accuracy * 100:.1f} {_half_width(row.intervals.get('accuracy'))}",
            f"{row.macro_f1 * 100:.1f} {_half_width(row.intervals.get('macro_f1'))}",
            "-" if row.ferplus_majority is None else f"{row.ferplus_majority * 100:.1f}",
            "-" if row.p_value is None else f"{row.p_value:.2g}",
        )
    console.print(table)
    console.print(
        "Percent, ± half of the 95 % bootstrap interval. FER+: where most of its ten people agree. "
        f"p: McNemar's test against {comparison.rows[0].run}, not corrected for several tests.",
        highlight=False,
        markup=False,
    )


def _half_width(interval: Interval | None) -> str:
    return f"± {(interval[1] - interval[0]) * 50:.1f}" if interval else ""

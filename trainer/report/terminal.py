"""The trainer's tables for the terminal."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from mien.emotions import EMOTIONS
from mien.output import print_table, symbol
from mien.trainer.evaluation.evaluation import EvaluationReport
from mien.trainer.evaluation.metric_rows import emotion_rows, metric_rows
from mien.trainer.evaluation.significance import Interval

from .comparison import Comparison


def print_evaluation(evaluation: EvaluationReport, console: Console) -> None:
    """Every metric of an evaluation, with its interval if it has one, and the confusion matrix."""
    value = f"{evaluation.count} {evaluation.split} images"
    _print_text_table(
        ("metric", value, "95 % interval"),
        metric_rows(evaluation),
        title=f"{evaluation.model}, {evaluation.runtime}",
        console=console,
    )
    _print_text_table(
        ("emotion", "precision", "recall", "F1", "images"),
        emotion_rows(evaluation),
        title="per emotion",
        console=console,
    )
    _print_text_table(
        ("label", *EMOTIONS),
        [(emotion, *map(str, counts)) for emotion, counts in zip(EMOTIONS, evaluation.confusion, strict=True)],
        title="confusion: rows are labels, columns are predictions",
        console=console,
    )


def print_comparison(comparison: Comparison, console: Console) -> None:
    """One row per run, best first, each tested against the first; in percent."""
    table = Table("run", "network", title=comparison.title, header_style="bold", box=box.SIMPLE)
    for column in table.columns:
        column.overflow = "fold"
    for title in ("size", "accuracy", "macro-F1", "FER+", "p"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(
            row.run,
            row.network,
            f"{row.parameters / 1e6:.2f} M",
            f"{row.accuracy * 100:.1f} {_format_half_width(row.intervals.get('accuracy'))}",
            f"{row.macro_f1 * 100:.1f} {_format_half_width(row.intervals.get('macro_f1'))}",
            "-" if row.ferplus_majority is None else f"{row.ferplus_majority * 100:.1f}",
            "-" if row.p_value is None else f"{row.p_value:.2g}",
        )
    console.print(table)
    console.print(
        f"Percent, {symbol('±', '+/-')} half of the 95 % bootstrap interval. FER+: where most of its ten people agree. "
        f"p: McNemar's test against {comparison.rows[0].run}, not corrected for multiple tests.",
        highlight=False,
        markup=False,
    )


def _print_text_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str, console: Console) -> None:
    """Print a table whose first column is aligned left, and all others right, as numbers are."""
    print_table(
        [dict(zip(columns, row, strict=True)) for row in rows],
        right_columns=columns[1:],
        title=title,
        console=console,
    )


def _format_half_width(interval: Interval | None) -> str:
    return f"{symbol('±', '+/-')} {(interval[1] - interval[0]) * 50:.1f}" if interval else ""

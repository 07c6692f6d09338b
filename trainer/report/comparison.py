"""Compares networks side by side, as in the source paper's table, with intervals and McNemar's test."""

from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mien.errors import DataError
from mien.media.file_name import to_text
from mien.trainer.evaluation.corruptions import ALL_CORRUPTIONS
from mien.trainer.evaluation.significance import Interval, mcnemar_p_value
from mien.trainer.run_folder import Metrics, RunFolder


class ComparisonRow(Struct, frozen=True, kw_only=True):
    """One run of a comparison; metrics as in `mien.model.model_card.Evaluation`."""

    run: str
    network: str
    parameters: int
    labels: str
    epochs: int
    accuracy: float
    macro_f1: float
    ferplus_majority: float | None
    intervals: dict[str, Interval]
    f1: dict[str, float]
    """Of each emotion."""
    p_value: float | None
    """McNemar's test against the first row, on the labels; not corrected for multiple tests."""


class Comparison(Struct, frozen=True, kw_only=True):
    """Finished runs on the same images, the most accurate first."""

    title: str
    rows: list[ComparisonRow]
    corruptions: dict[str, dict[str, float]] = {}
    """FER+ majority by corruption, of each run where benchmarks/corruptions.py has measured it."""


def compare_runs(runs: list[RunFolder]) -> Comparison:
    """Compare finished runs by their metrics alone. DataError if they were not evaluated on the same images, or
    a file is damaged."""
    results = [(run, run.read_recipe(), run.read_metrics()) for run in runs]
    results.sort(key=lambda result: result[2].evaluation.accuracy, reverse=True)
    best_run, _, best_metrics = results[0]
    rows = []
    for run, recipe, metrics in results:
        if metrics.labels != best_metrics.labels:
            raise DataError(
                f"{run.path} and {best_run.path} were not evaluated on the same images: train both on the same data"
            )
        evaluation = metrics.evaluation
        rows.append(
            ComparisonRow(
                run=to_text(Path(run.path.name)),
                network=recipe.network,
                parameters=metrics.parameters,
                labels=recipe.labels,
                epochs=recipe.epochs,
                accuracy=evaluation.accuracy,
                macro_f1=evaluation.macro_f1,
                ferplus_majority=evaluation.ferplus_majority,
                intervals=evaluation.intervals,
                f1={emotion: score.f1 for emotion, score in evaluation.per_emotion.items()},
                p_value=None
                if run is best_run
                else round(mcnemar_p_value(_correct(best_metrics), _correct(metrics)), 6),
            )
        )
    best = best_metrics.evaluation
    corruptions = {run.path.name: _corruption_scores(run) for run, _, _ in results}
    return Comparison(
        title=f"{best.count} {best.split} images of {best.data}",
        rows=rows,
        corruptions={name: scores for name, scores in corruptions.items() if scores},
    )


def _corruption_scores(run: RunFolder) -> dict[str, float]:
    """FER+ majority of a run's exported model under each corruption that was measured."""
    metrics = run.read_corruptions()
    values = {name: metrics.get(f"mien_{name.replace(' ', '_')}") for name in ALL_CORRUPTIONS}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _correct(metrics: Metrics) -> NDArray[np.bool_]:
    """(count,) mask of the images that were predicted correctly."""
    return np.array(
        [label == prediction for label, prediction in zip(metrics.labels, metrics.predictions, strict=True)]
    )

"""Networks side by side, as in the source paper's table, with intervals and McNemar's test."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mien.errors import DataError

from .run import Run
from .significance import Interval, mcnemar


class Row(Struct, frozen=True, kw_only=True):
    """One run's part of a comparison; figures as in `mien.card.Evaluation`."""

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
    """McNemar's test against the first row, on the labels; not corrected for several tests."""


class Comparison(Struct, frozen=True, kw_only=True):
    """Finished runs on the same pictures, the most accurate first."""

    title: str
    rows: list[Row]


def compare(runs: list[Run]) -> Comparison:
    """Compare finished runs by their metrics alone. DataError if they were not scored on the same pictures."""
    found = [(run, run.recipe(), run.metrics()) for run in runs]
    found.sort(key=lambda item: item[2].evaluation.accuracy, reverse=True)
    best_run, _, best = found[0]
    rows = []
    for run, recipe, metrics in found:
        if metrics.labels != best.labels:
            raise DataError(f"{run.folder} and {best_run.folder} were not scored on the same pictures: train both anew")
        evaluation = metrics.evaluation
        rows.append(
            Row(
                run=run.folder.name,
                network=recipe.network,
                parameters=metrics.parameters,
                labels=recipe.labels,
                epochs=recipe.epochs,
                accuracy=evaluation.accuracy,
                macro_f1=evaluation.macro_f1,
                ferplus_majority=evaluation.ferplus_majority,
                intervals=evaluation.intervals,
                f1={emotion: score.f1 for emotion, score in evaluation.per_class.items()},
                p_value=None
                if run is best_run
                else round(mcnemar(_right(best.labels, best.answers), _right(metrics.labels, metrics.answers)), 6),
            )
        )
    scored = best.evaluation
    return Comparison(title=f"{scored.count} {scored.usage} pictures of {scored.data}", rows=rows)


def _right(labels: str, answers: str) -> NDArray[np.bool_]:
    return np.array([label == answer for label, answer in zip(labels, answers, strict=True)])

"""What the pages say of a run, of runs side by side, and of a dataset."""

import msgspec
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mien.emotions import EMOTIONS

from .comparison import Comparison
from .dataset import Dataset
from .duplicates import duplicates_across
from .evaluation import Report
from .ferplus import majority
from .figures import (
    confusion_figure,
    distribution_figure,
    history_figure,
    means_figure,
    reliability_figure,
    samples_figure,
)
from .page import Section
from .rows import emotion_rows, figure_rows, interval_words
from .run import Metrics, Run


def evaluation_figures(report: Report, scores: NDArray[np.float32], data: Dataset) -> dict[str, Figure]:
    """By file name: the confusion matrix with and without normalisation, and reliability on labels and FER+ votes."""
    title = f"{report.model} on {report.usage}"
    figures = {
        "confusion": confusion_figure(report, title),
        "confusion-normalised": confusion_figure(report, title, normalised=True),
        "reliability": reliability_figure(scores, scores.argmax(axis=1) == data.labels, f"{title}, FER-2013's labels"),
    }
    if data.votes is not None and report.ece_ferplus is not None:
        clear = majority(data.votes)
        right = scores[clear].argmax(axis=1) == data.votes[clear].argmax(axis=1)
        figures["reliability-ferplus"] = reliability_figure(scores[clear], right, f"{title}, FER+ majority")
    return figures


def run_sections(run: Run, metrics: Metrics, scores: NDArray[np.float32], reported: Dataset) -> list[Section]:
    """The page of a run: its figures on the split that only reports, its curves, its recipe and environment."""
    figures = evaluation_figures(metrics.evaluation, scores, reported)
    histories = sorted(run.folder.rglob(run.history_file.name))  # HERO's members have one each
    return [
        Section(
            heading="Figures",
            paragraphs=(f"{len(reported)} {metrics.evaluation.usage} pictures of {reported.name}.",),
            table=[["figure", "value", "95 % interval"], *figure_rows(metrics.evaluation)],
        ),
        Section(
            heading="Emotions",
            table=[["emotion", "precision", "recall", "F1", "pictures"], *emotion_rows(metrics.evaluation)],
            figures=[
                ("Confusion matrix, counts", figures["confusion"]),
                ("Confusion matrix, shares of each label", figures["confusion-normalised"]),
            ],
        ),
        Section(
            heading="Calibration",
            paragraphs=(metrics.calibration,),
            figures=[
                (f"Accuracy over confidence, {words}", figures[name])
                for name, words in (("reliability", "FER-2013's labels"), ("reliability-ferplus", "FER+ majority"))
                if name in figures
            ],
        ),
        Section(
            heading="Training",
            table=[["setting", "value"], *msgspec.structs.asdict(run.recipe()).items()],
            figures=[
                (f"Loss and accuracy of each epoch, {file.parent.name}", history_figure(file)) for file in histories
            ],
        ),
        Section(heading="Environment", table=[["what", "version"], *run.environment().items()]),
    ]


def comparison_sections(comparison: Comparison) -> list[Section]:
    """The page of a comparison: the paper's table with intervals, and F1 by emotion."""
    return [
        Section(
            heading="Networks",
            paragraphs=(
                "Intervals are 95 % bootstrap intervals; p is McNemar's exact test against the first row, not "
                "corrected for several tests.",
            ),
            table=[
                ["run", "network", "labels", "parameters", "epochs", "accuracy", "interval", "macro-F1", "FER+", "p"],
                *(
                    [
                        row.run,
                        row.network,
                        row.labels,
                        f"{row.parameters:,}",
                        row.epochs,
                        f"{row.accuracy:.1%}",
                        interval_words(row.intervals["accuracy"]),
                        f"{row.macro_f1:.1%}",
                        "-" if row.ferplus_majority is None else f"{row.ferplus_majority:.1%}",
                        "-" if row.p_value is None else f"{row.p_value:.2g}",
                    ]
                    for row in comparison.rows
                ),
            ],
        ),
        Section(
            heading="F1 of each emotion",
            table=[
                ["run", *EMOTIONS],
                *([row.run, *(f"{row.f1[emotion]:.3f}" for emotion in EMOTIONS)] for row in comparison.rows),
            ],
        ),
    ]


def data_sections(data: Dataset, learned: Dataset | None, held_out: Dataset | None, *, seed: int) -> list[Section]:
    """The card of a dataset: what the source paper's tables I to III and figures 3 to 5 show of FER-2013, and copies.

    `learned` and `held_out` are the parts of its Training pictures, where it has these.
    """
    usages = list(dict.fromkeys(data.usages.tolist()))
    parts = {usage: data.split(usage) for usage in usages}
    if learned is not None and held_out is not None:
        parts |= {"Training, learned from": learned, "Training, held out": held_out}
    counts = {name: part.counts() for name, part in parts.items()}
    return [
        Section(
            heading="Table I: emotions",
            table=[
                ["emotion", "number", *usages, "all", "share"],
                *(
                    [
                        emotion,
                        label,
                        *(counts[usage][label] for usage in usages),
                        data.counts()[label],
                        f"{data.counts()[label] / len(data):.1%}",
                    ]
                    for label, emotion in enumerate(EMOTIONS)
                ),
            ],
            figures=[("Figure 3: pictures of each emotion", distribution_figure(data))],
        ),
        Section(
            heading="Table II: splits",
            table=[
                ["split", *EMOTIONS, "pictures"],
                *([name, *counts[name], len(part)] for name, part in parts.items()),
            ],
        ),
        Section(
            heading="Table III: pictures and copies",
            paragraphs=[f"{len(data)} grey pictures of 48x48 pixels.", *_skipped(data)],
            table=[["exact copies", "pictures"], *duplicates_across(data).items()],
        ),
        *_votes(data),
        Section(heading="Figure 4: samples", figures=[("Drawn at random", samples_figure(data, seed=seed))]),
        Section(
            heading="Figure 5: means",
            figures=[("The mean picture of each emotion, and how bright its pictures are", means_figure(data))],
        ),
    ]


def _skipped(data: Dataset) -> list[str]:
    return [f"{len(data.skipped)} files left out, first {data.skipped[0]}."] if data.skipped else []


def _votes(data: Dataset) -> list[Section]:
    """How often FER-2013's label is what most of FER+'s people said."""
    if data.votes is None:
        return []
    clear = majority(data.votes)
    same = data.labels == data.votes.argmax(axis=1)
    rows: list[list[object]] = [["emotion", "pictures", "with a FER+ majority", "the same emotion"]]
    for label, emotion in enumerate(EMOTIONS):
        chosen = data.labels == label
        agreed = chosen & clear
        share = f"{same[agreed].mean():.1%}" if agreed.any() else "-"
        rows.append([emotion, int(chosen.sum()), int(agreed.sum()), share])
    return [Section(heading="FER+", table=rows)]

"""The sections of the HTML reports on a run, a comparison of runs and a dataset."""

from collections.abc import Sequence

import msgspec
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.duplicates import duplicates_across_splits
from mien.trainer.data.ferplus import has_majority
from mien.trainer.evaluation.corruptions import CorruptionScore, summarize
from mien.trainer.evaluation.evaluation import EvaluationReport
from mien.trainer.evaluation.metric_rows import emotion_rows, format_interval, metric_rows
from mien.trainer.run_folder import Metrics, RunFolder

from .comparison import Comparison
from .html_report import Section
from .plots import (
    plot_confusion,
    plot_corruption_comparison,
    plot_corruptions,
    plot_emotion_counts,
    plot_history,
    plot_mean_images,
    plot_reliability,
    plot_risk_coverage,
    plot_samples,
)


def plot_evaluation(
    evaluation: EvaluationReport,
    scores: NDArray[np.float32],
    data: Dataset,
    corruption_scores: Sequence[CorruptionScore] = (),
) -> dict[str, Figure]:
    """By file name: the confusion matrix as counts and normalized, reliability on labels and FER+ votes, and on the
    latter risk over coverage and the loss under corruptions.
    """
    title = f"{evaluation.model} on {evaluation.split}"
    correct = scores.argmax(axis=1) == data.labels
    plots = {
        "confusion": plot_confusion(evaluation, title),
        "confusion-normalized": plot_confusion(evaluation, title, normalized=True),
        "reliability": plot_reliability(scores, correct, f"{title}, FER-2013's labels"),
    }
    if data.votes is not None and evaluation.ece_ferplus is not None:
        majority = has_majority(data.votes)
        correct = scores[majority].argmax(axis=1) == data.votes[majority].argmax(axis=1)
        plots["reliability-ferplus"] = plot_reliability(scores[majority], correct, f"{title}, FER+ majority")
        plots["risk-coverage"] = plot_risk_coverage(scores[majority], correct, f"{title}, FER+ majority")
    if corruption_scores:
        plots["corruptions"] = plot_corruptions(corruption_scores, f"{title}, FER+ majority")
    return plots


def run_sections(
    run: RunFolder,
    metrics: Metrics,
    scores: NDArray[np.float32],
    test_set: Dataset,
    corruption_scores: Sequence[CorruptionScore] = (),
) -> list[Section]:
    """The report on a run: its metrics on the test split, its curves, its recipe and environment."""
    plots = plot_evaluation(metrics.evaluation, scores, test_set, corruption_scores)
    history_files = sorted(run.path.rglob(run.history_file.name))  # HERO's members have one each
    return [
        Section(
            heading="Metrics",
            paragraphs=(f"{len(test_set)} {metrics.evaluation.split} images of {test_set.name}.",),
            table=[["metric", "value", "95 % interval"], *metric_rows(metrics.evaluation)],
        ),
        Section(
            heading="Emotions",
            table=[["emotion", "precision", "recall", "F1", "images"], *emotion_rows(metrics.evaluation)],
            plots=[
                ("Confusion matrix, counts", plots["confusion"]),
                ("Confusion matrix, shares of each label", plots["confusion-normalized"]),
            ],
        ),
        Section(
            heading="Calibration",
            paragraphs=(metrics.calibration,),
            plots=[
                (f"Accuracy over confidence, {labels}", plots[name])
                for name, labels in (("reliability", "FER-2013's labels"), ("reliability-ferplus", "FER+ majority"))
                if name in plots
            ]
            + [("Risk over coverage, FER+ majority", plots[name]) for name in ("risk-coverage",) if name in plots],
        ),
        *_corruptions_section(corruption_scores, plots),
        Section(
            heading="Training",
            table=[["setting", "value"], *msgspec.structs.asdict(run.read_recipe()).items()],
            plots=[(f"Loss and accuracy by epoch, {file.parent.name}", plot_history(file)) for file in history_files],
        ),
        Section(heading="Environment", table=[["component", "version"], *run.read_environment().items()]),
    ]


def _corruptions_section(results: Sequence[CorruptionScore], plots: dict[str, Figure]) -> list[Section]:
    """What blur, bad light and covered faces cost."""
    if not results:
        return []
    summary = summarize(results)
    return [
        Section(
            heading="Corruptions",
            paragraphs=(
                f"FER+ majority loses {summary.mean_loss:.1%} in the mean of all corruptions without occlusion, and "
                f"{summary.worst_loss:.1%} under the worst, {summary.worst}.",
            ),
            table=[
                ["corruption", "FER+ majority", "calibration error", "most confident 80 %"],
                *(
                    [
                        result.corruption,
                        f"{result.ferplus_majority:.1%}",
                        f"{result.ece_ferplus:.1%}",
                        f"{result.selective_at_80:.1%}",
                    ]
                    for result in results
                ),
            ],
            plots=[("FER+ majority by corruption", plots["corruptions"])],
        )
    ]


def comparison_sections(comparison: Comparison) -> list[Section]:
    """The report on a comparison: the paper's table with intervals, F1 by emotion, and what corruptions cost."""
    return [
        Section(
            heading="Networks",
            paragraphs=(
                "Intervals are 95 % bootstrap intervals; p is McNemar's exact test against the first row, not "
                "corrected for multiple tests.",
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
                        format_interval(row.intervals["accuracy"]),
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
        *_compared_corruptions_section(comparison),
    ]


def _compared_corruptions_section(comparison: Comparison) -> list[Section]:
    """FER+ majority by corruption of the runs that have it."""
    if not comparison.corruptions:
        return []
    names = dict.fromkeys(name for scores in comparison.corruptions.values() for name in scores)
    return [
        Section(
            heading="Corruptions",
            paragraphs=("FER+ majority of the exported model, as benchmarks/corruptions.py measured it.",),
            table=[
                ["corruption", *comparison.corruptions],
                *(
                    [
                        name,
                        *(
                            f"{scores[name]:.1%}" if name in scores else "-"
                            for scores in comparison.corruptions.values()
                        ),
                    ]
                    for name in names
                ),
            ],
            plots=[("FER+ majority by corruption and run", plot_corruption_comparison(comparison.corruptions))],
        )
    ]


def dataset_sections(data: Dataset, train_set: Dataset | None, held_out: Dataset | None, *, seed: int) -> list[Section]:
    """The report on a dataset: the source paper's tables I to III and figures 3 to 5 on FER-2013, and copies.

    `train_set` and `held_out` are the parts of its Training images, if it has any.
    """
    splits = {name: data.split(name) for name in data.split_names()}
    parts = dict(splits)
    if train_set is not None and held_out is not None:
        parts |= {"Training, trained on": train_set, "Training, held out": held_out}
    counts = {name: part.emotion_counts() for name, part in parts.items()}
    total_counts = data.emotion_counts()
    return [
        Section(
            heading="Table I: emotions",
            table=[
                ["emotion", "number", *splits, "all", "share"],
                *(
                    [
                        emotion,
                        label,
                        *(counts[split][label] for split in splits),
                        total_counts[label],
                        f"{total_counts[label] / len(data):.1%}",
                    ]
                    for label, emotion in enumerate(EMOTIONS)
                ),
            ],
            plots=[("Figure 3: images of each emotion", plot_emotion_counts(data))],
        ),
        Section(
            heading="Table II: splits",
            table=[
                ["split", *EMOTIONS, "images"],
                *([name, *counts[name], len(part)] for name, part in parts.items()),
            ],
        ),
        Section(
            heading="Table III: images and copies",
            paragraphs=[f"{len(data)} gray images of 48x48 pixels.", *_skipped_paragraph(data)],
            table=[["exact copies", "images"], *duplicates_across_splits(data).items()],
        ),
        *_ferplus_section(data),
        Section(heading="Figure 4: samples", plots=[("Drawn at random", plot_samples(data, seed=seed))]),
        Section(
            heading="Figure 5: means",
            plots=[("The mean image of each emotion, and the brightness of its images", plot_mean_images(data))],
        ),
    ]


def _skipped_paragraph(data: Dataset) -> list[str]:
    return [f"{len(data.skipped)} files were skipped, the first is {data.skipped[0]}."] if data.skipped else []


def _ferplus_section(data: Dataset) -> list[Section]:
    """How often FER-2013's label is the choice of most of FER+'s people."""
    if data.votes is None:
        return []
    majority = has_majority(data.votes)
    same_emotion = data.labels == data.votes.argmax(axis=1)
    rows: list[list[object]] = [["emotion", "images", "with a FER+ majority", "the same emotion"]]
    for label, emotion in enumerate(EMOTIONS):
        labeled = data.labels == label
        with_majority = labeled & majority
        share = f"{same_emotion[with_majority].mean():.1%}" if with_majority.any() else "-"
        rows.append([emotion, int(labeled.sum()), int(with_majority.sum()), share])
    return [Section(heading="FER+", table=rows)]

"""Plots of a dataset, a training history and an evaluation, drawn without a display."""

import csv
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.model.model_card import Evaluation
from mien.trainer.data.dataset import Dataset
from mien.trainer.evaluation.calibration import BIN_COUNT, confidence_bins
from mien.trainer.evaluation.corruptions import CorruptionScore
from mien.trainer.evaluation.selective import risk_coverage, selective_accuracy

DOTS_PER_INCH = 120


def plot_confusion(evaluation: Evaluation, title: str, *, normalized: bool = False) -> Figure:
    """The confusion matrix: rows are labels, columns are predictions; counts, or shares of the row if `normalized`."""
    counts = np.array(evaluation.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the label's images")
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=45, ha="right")
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set(xlabel="prediction", ylabel="label", title=f"{title}: {evaluation.accuracy:.1%}")
    for (row, column), count in np.ndenumerate(counts):
        text = f"{shares[row, column]:.2f}" if normalized else str(count)
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", color=color)
    return figure


def plot_reliability(scores: NDArray[np.float32], correct: NDArray[np.bool_], title: str) -> Figure:
    """Accuracy over confidence, in bins, above the number of images per bin. Calibrated is on the diagonal.

    `scores` is (count, 7), `correct` (count,): which predictions are right.
    """
    bins = confidence_bins(scores)
    counts = np.bincount(bins, minlength=BIN_COUNT)
    accuracy = np.bincount(bins, weights=correct, minlength=BIN_COUNT) / np.maximum(1, counts)
    centers = (np.arange(BIN_COUNT) + 0.5) / BIN_COUNT
    figure = Figure(figsize=(6, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 1), (0, 1), color="gray", linestyle="--", label="calibrated")
    upper.bar(centers[counts > 0], accuracy[counts > 0], width=0.9 / BIN_COUNT, color="tab:blue", label="measured")
    upper.set(ylabel="accuracy", title=title, xlim=(0, 1), ylim=(0, 1))
    upper.legend(loc="upper left")
    lower.bar(centers, counts, width=0.9 / BIN_COUNT, color="tab:gray")
    lower.set(xlabel="confidence", ylabel="images")
    return figure


def plot_risk_coverage(scores: NDArray[np.float32], correct: NDArray[np.bool_], title: str) -> Figure:
    """How often the predictions are wrong over the share that is kept, the most confident first.

    `scores` is (count, 7), `correct` (count,): which predictions are right.
    """
    coverage, accuracy = risk_coverage(scores, correct)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(coverage, 1 - accuracy, color="tab:blue")
    axes.axvline(0.8, color="gray", linestyle="--")
    axes.annotate(
        f"{selective_accuracy(scores, correct, coverage=0.8):.1%} right",
        (0.8, 0.98),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
        va="top",
    )
    axes.set(xlabel="coverage", ylabel="risk", title=title, xlim=(0, 1), ylim=(0, None))
    return figure


def plot_corruptions(results: Sequence[CorruptionScore], title: str) -> Figure:
    """FER+ majority under each corruption, beside that on clean images, and of the most confident 80 % of them."""
    figure = Figure(figsize=(8, 9), layout="constrained")
    axes = figure.subplots()
    names = [result.corruption for result in results]
    axes.barh(names, [result.ferplus_majority for result in results], color="tab:blue", label="FER+ majority")
    axes.plot(
        [result.selective_at_80 for result in results], names, "k|", markersize=8, label="the most confident 80 %"
    )
    axes.axvline(results[0].ferplus_majority, color="gray", linestyle="--", label=results[0].corruption)
    axes.invert_yaxis()
    axes.set(xlabel="share of images", title=title, xlim=(0, 1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=3)
    return figure


def plot_corruption_comparison(scores_by_run: Mapping[str, Mapping[str, float]]) -> Figure:
    """FER+ majority under each corruption, a mark for each run."""
    figure = Figure(figsize=(8, 9), layout="constrained")
    axes = figure.subplots()
    for (run, scores), marker in zip(scores_by_run.items(), cycle("osD^vPX"), strict=False):
        axes.plot(list(scores.values()), list(scores), marker, markersize=5, label=run)
    axes.invert_yaxis()
    axes.grid(axis="y", alpha=0.3)
    axes.set(xlabel="FER+ majority, share of images", xlim=(0, 1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=2)
    return figure


def plot_history(history: Path) -> Figure:
    """Loss and accuracy over the epochs, from a run's history.csv."""
    with history.open(newline="") as text:
        rows = list(csv.DictReader(text))
    epochs = [int(row["epoch"]) + 1 for row in rows]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [float(row[metric]) for row in rows], label="training, augmented")
        axes.plot(epochs, [float(row[f"held_out_{metric}"]) for row in rows], label="held out, EMA of the weights")
        axes.set(xlabel="epoch", ylabel=metric)
        axes.legend()
    return figure


def plot_emotion_counts(data: Dataset) -> Figure:
    """The number of images of each emotion in each split."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    splits = data.split_names()
    for index, split in enumerate(splits):
        positions = np.arange(len(EMOTIONS)) + (index - (len(splits) - 1) / 2) * 0.8 / len(splits)
        bars = axes.bar(positions, data.split(split).emotion_counts(), width=0.8 / len(splits), label=split)
        axes.bar_label(bars, fontsize=6)
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set(ylabel="images", title=data.name)
    axes.legend()
    return figure


def plot_samples(data: Dataset, *, seed: int, count: int = 8) -> Figure:
    """`count` images of each emotion, drawn at random by `seed`."""
    random = np.random.default_rng(seed)
    figure = Figure(figsize=(count, len(EMOTIONS)), layout="constrained")
    grid = figure.subplots(len(EMOTIONS), count, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.set_frame_on(False)
    for label, emotion in enumerate(EMOTIONS):
        grid[label, 0].set_ylabel(emotion)
        indices = np.flatnonzero(data.labels == label)
        for axes, index in zip(grid[label], random.permutation(indices), strict=False):
            axes.imshow(data.images[index], cmap="gray", vmin=0, vmax=255)
    return figure


def plot_mean_images(data: Dataset) -> Figure:
    """The mean image of each emotion, which is nobody's face, and the brightness of its images."""
    figure = Figure(figsize=(10, 3), layout="constrained")
    grid = figure.subplots(2, len(EMOTIONS), height_ratios=(2, 1))
    for label, emotion in enumerate(EMOTIONS):
        images = data.images[data.labels == label]
        upper, lower = grid[:, label]
        upper.set(title=emotion, xticks=[], yticks=[])
        lower.set(xlim=(0, 255), xticks=(0, 128, 255), yticks=[], xlabel="brightness")
        if len(images):
            upper.imshow(images.mean(axis=0), cmap="gray", vmin=0, vmax=255)
            lower.hist(images.mean(axis=(1, 2)), bins=32, range=(0, 255))
    return figure

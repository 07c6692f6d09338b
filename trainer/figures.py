"""Pictures of a dataset and of an evaluation, drawn without a screen."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mien.card import Evaluation
from mien.emotions import EMOTIONS

from .calibration import BINS, confidence_bins
from .dataset import Dataset

DOTS_PER_INCH = 120


def confusion_figure(evaluation: Evaluation, title: str, *, normalised: bool = False) -> Figure:
    """The confusion matrix: rows are labels, columns answers; counts, or shares of the row where `normalised`."""
    counts = np.array(evaluation.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the label's pictures")
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=45, ha="right")
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set(xlabel="answer", ylabel="label", title=f"{title}: {evaluation.accuracy:.1%}")
    for (row, column), count in np.ndenumerate(counts):
        text = f"{shares[row, column]:.2f}" if normalised else str(count)
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    return figure


def reliability_figure(scores: NDArray[np.float32], right: NDArray[np.bool_], title: str) -> Figure:
    """Accuracy over confidence, in bins; below, how many pictures each bin has. On the diagonal is calibrated.

    `scores` is (count, 7), `right` (count,): which first answers are right.
    """
    bins = confidence_bins(scores)
    counts = np.bincount(bins, minlength=BINS)
    accuracy = np.bincount(bins, weights=right, minlength=BINS) / np.maximum(1, counts)
    middles = (np.arange(BINS) + 0.5) / BINS
    figure = Figure(figsize=(6, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 1), (0, 1), color="grey", linestyle="--", label="calibrated")
    upper.bar(middles[counts > 0], accuracy[counts > 0], width=0.9 / BINS, color="tab:blue", label="measured")
    upper.set(ylabel="accuracy", title=title, xlim=(0, 1), ylim=(0, 1))
    upper.legend(loc="upper left")
    lower.bar(middles, counts, width=0.9 / BINS, color="tab:grey")
    lower.set(xlabel="confidence", ylabel="pictures")
    return figure


def history_figure(history: Path) -> Figure:
    """Loss and accuracy over the epochs, from a run's history.csv."""
    with history.open(newline="") as text:
        rows = list(csv.DictReader(text))
    epochs = [int(row["epoch"]) + 1 for row in rows]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [float(row[name]) for row in rows], label="training, augmented")
        axes.plot(epochs, [float(row[f"held_out_{name}"]) for row in rows], label="held out, weight average")
        axes.set(xlabel="epoch", ylabel=name)
        axes.legend()
    return figure


def distribution_figure(data: Dataset) -> Figure:
    """How many pictures each emotion has in each split."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    usages = list(dict.fromkeys(data.usages.tolist()))
    for place, usage in enumerate(usages):
        positions = np.arange(len(EMOTIONS)) + (place - (len(usages) - 1) / 2) * 0.8 / len(usages)
        bars = axes.bar(positions, data.split(usage).counts(), width=0.8 / len(usages), label=usage)
        axes.bar_label(bars, fontsize=6)
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set(ylabel="pictures", title=data.name)
    axes.legend()
    return figure


def samples_figure(data: Dataset, *, seed: int, count: int = 8) -> Figure:
    """`count` pictures of each emotion, drawn by `seed`."""
    random = np.random.default_rng(seed)
    figure = Figure(figsize=(count, len(EMOTIONS)), layout="constrained")
    grid = figure.subplots(len(EMOTIONS), count, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.set_frame_on(False)
    for row, (emotion, label) in enumerate(zip(EMOTIONS, range(len(EMOTIONS)), strict=True)):
        grid[row, 0].set_ylabel(emotion)
        places = np.flatnonzero(data.labels == label)
        for axes, place in zip(grid[row], random.permutation(places), strict=False):
            axes.imshow(data.pictures[place], cmap="gray", vmin=0, vmax=255)
    return figure


def means_figure(data: Dataset) -> Figure:
    """The mean picture of each emotion, with how bright its pictures are: no one's face."""
    figure = Figure(figsize=(10, 3), layout="constrained")
    grid = figure.subplots(2, len(EMOTIONS), height_ratios=(2, 1))
    for label, emotion in enumerate(EMOTIONS):
        pictures = data.pictures[data.labels == label]
        upper, lower = grid[:, label]
        upper.set(title=emotion, xticks=[], yticks=[])
        lower.set(xlim=(0, 255), xticks=(0, 128, 255), yticks=[], xlabel="brightness")
        if len(pictures):
            upper.imshow(pictures.mean(axis=0), cmap="gray", vmin=0, vmax=255)
            lower.hist(pictures.mean(axis=(1, 2)), bins=32, range=(0, 255))
    return figure

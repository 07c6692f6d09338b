"""Prints predictions to standard output as they are made: as lines for people, CSV or JSON."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from mien.model.uncertainty import shown_emotion
from mien.output import print_csv, print_json, text_bar, to_printable

from .prediction import COLUMNS, Prediction

OutputFormat = Literal["lines", "csv", "json"]
BAR_LENGTH = 20
"""Characters for a confidence of 1."""


def print_predictions(
    predictions: Iterable[Prediction], output_format: OutputFormat, *, threshold: float = 0.0
) -> None:
    """Print each prediction as soon as it is made; CSV and JSON are complete even without any.

    Lines say `uncertain` below the threshold; CSV and JSON keep the emotion.
    """
    rows = (prediction.to_row() for prediction in predictions)
    if output_format == "csv":
        print_csv(rows, columns=COLUMNS)
    elif output_format == "json":
        print_json(rows, indent=None)
    else:
        for row in rows:
            _print_line(row, threshold)


def _print_line(row: Mapping[str, Any], threshold: float) -> None:
    """File, time, track, emotion, confidence."""
    minutes, seconds = divmod(row["at_s"] or 0.0, 60)
    at = "" if row["at_s"] is None else f"{int(minutes):3d}:{seconds:04.1f}"
    bar = text_bar(round(row["confidence"] * BAR_LENGTH))
    label = f"{shown_emotion(row['emotion'], row['confidence'], threshold):9} {row['confidence']:4.2f} {bar}"
    print(f"{to_printable(row['file'])} {at:8} {row['track']:2d} {label}")

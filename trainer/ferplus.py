"""Reads FER+, ten people's votes on each FER-2013 picture (Barsoum et al., ICMI 2016)."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError

VOTES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""FER+'s columns in the order of EMOTIONS; contempt, unknown and NF (no face) have no counterpart here."""
VOTERS = 10


def read_ferplus(path: Path, usages: NDArray[np.str_]) -> NDArray[np.float32]:
    """The votes for FER-2013's rows, whose splits are `usages`: (count, 7), of ten in all with those for other columns.

    Row i of fer2013new.csv belongs to row i of fer2013.csv. DataError if columns or rows are missing, or if a row
    stands in another split there, so that the votes would go to the wrong pictures.
    """
    try:
        with path.open(encoding="ascii", newline="") as text:
            rows = csv.DictReader(text)
            missing = [name for name in ("Usage", *VOTES) if name not in (rows.fieldnames or [])]
            if missing:
                raise DataError(f"{path} lacks the column {', '.join(missing)}: FER+ is in fer2013new.csv")
            found = [(row["Usage"], [float(row[name]) for name in VOTES]) for row in rows]
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): give --ferplus the path of fer2013new.csv"
        ) from error
    except (ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{path} is damaged after {rows.line_num} lines: download it again") from error
    cure = "it must belong to the same, whole fer2013.csv"
    if len(found) < len(usages):
        raise DataError(f"{path} has {len(found)} rows for {len(usages)} pictures: {cure}")
    for row, (there, here) in enumerate(zip(found, usages, strict=False), 1):
        if there[0] != here:
            raise DataError(f"{path} calls row {row} {there[0]}, the pictures call it {here}: {cure}")
    return np.array([votes for _, votes in found[: len(usages)]], np.float32)


def majority(votes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where one of the seven emotions has more than half of the ten votes: a (count,) mask."""
    clear: NDArray[np.bool_] = votes.max(axis=1) > VOTERS / 2
    return clear

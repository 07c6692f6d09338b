"""Reads FER+, ten people's votes on each FER-2013 image (Barsoum et al., ICMI 2016)."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.files.text_file import EncodingError, decode_line, utf8_lines

from .split_names import split_name

VOTE_COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""FER+'s columns in the order of EMOTIONS; contempt, unknown and NF (no face) have no counterpart here."""
VOTERS = 10


def read_ferplus(path: Path, splits: NDArray[np.str_]) -> NDArray[np.float32]:
    """The votes for FER-2013's rows, whose splits are `splits`: (count, 7), at most ten in a row.

    The votes that a row has for other columns are missing from its ten. Row i of fer2013new.csv belongs to row i of
    fer2013.csv. DataError if columns or rows are missing, or if a row has another split there, because the votes
    would then go to the wrong images.
    """
    try:
        with path.open("rb") as file:
            reader = csv.DictReader(decode_line(line) for line in utf8_lines(file))
            missing = [name for name in ("Usage", *VOTE_COLUMNS) if name not in (reader.fieldnames or [])]
            if missing:
                raise DataError(f"{path} lacks the column {', '.join(missing)}: FER+ is in fer2013new.csv")
            rows = [(split_name(row["Usage"]), [float(row[name]) for name in VOTE_COLUMNS]) for row in reader]
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): give --ferplus the path of fer2013new.csv"
        ) from error
    except EncodingError as error:
        raise DataError(f"{path} {error}") from error
    except (ValueError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{path} is damaged after {reader.line_num} lines: download it again") from error
    hint = "it must belong to the same, complete fer2013.csv"
    if len(rows) < len(splits):
        raise DataError(f"{path} has {len(rows)} rows for {len(splits)} images: {hint}")
    for number, ((ferplus_split, _), split) in enumerate(zip(rows, splits, strict=False), 1):
        if ferplus_split != split:
            raise DataError(f"{path} assigns row {number} to {ferplus_split}, the images assign it to {split}: {hint}")
    return np.array([votes for _, votes in rows[: len(splits)]], np.float32)


def has_majority(votes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """A (count,) mask of the images for which one of the seven emotions has more than half of the ten votes."""
    mask: NDArray[np.bool_] = votes.max(axis=1) > VOTERS / 2
    return mask

"""Loads a dataset in any of the supported formats."""

from dataclasses import replace
from pathlib import Path

from mien.errors import DataError, UsageError

from .ck_jaffe import read_ck_plus, read_jaffe
from .dataset import Dataset
from .fer2013 import read_fer2013
from .ferplus import read_ferplus
from .image_folders import read_image_folders


def load_dataset(path: Path, ferplus: Path | None = None) -> Dataset:
    """FER-2013 as a CSV, images in folders by emotion, CK+ or JAFFE; with FER+'s votes if their file is given.

    DataError says what is wrong. UsageError if FER+'s votes, which belong to the rows of FER-2013's CSV, are given
    for anything else.
    """
    if not path.is_dir():
        data = read_fer2013(path)
        return data if ferplus is None else replace(data, votes=read_ferplus(ferplus, data.splits))
    if ferplus is not None:
        raise UsageError(f"--ferplus belongs to the rows of fer2013.csv, not to the folder {path}: leave it out")
    try:
        return read_ck_plus(path) or read_jaffe(path) or read_image_folders(path)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}): check its permissions") from error

"""Reads FER-2013's CSV, plain or compressed."""

import csv
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.files.text_file import EncodingError, decode_line, utf8_lines
from mien.media.file_name import to_text
from mien.model.preprocessing import IMAGE_SIZE_PX

from .dataset import Dataset
from .split_names import split_name

COLUMNS = ("emotion", "pixels", "Usage")
PIXELS_PER_IMAGE = IMAGE_SIZE_PX * IMAGE_SIZE_PX
DAMAGED_FILE_ERRORS = (lzma.LZMAError, zlib.error, zipfile.BadZipFile, csv.Error)


def read_fer2013(path: Path) -> Dataset:
    """Read FER-2013 from a CSV (plain, .gz, .xz, .zip). DataError says what is wrong and on which line."""
    if not path.is_file():
        raise DataError(f"{path} does not exist: give --data the path of fer2013.csv or of a folder of images")
    try:
        with _open_binary(path) as file:
            return _read_csv(path, (decode_line(line) for line in utf8_lines(file)))
    except EncodingError as error:
        raise DataError(f"{path} {error}") from error
    except (OSError, EOFError, RuntimeError, *DAMAGED_FILE_ERRORS) as error:
        raise DataError(f"{path} cannot be read ({error}): download it again") from error


@contextmanager
def _open_binary(path: Path) -> Iterator[BinaryIO]:
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(members) != 1:
                raise DataError(f"{path} contains {len(members)} CSV files: unpack it and name the one to read")
            with archive.open(members[0]) as member:
                yield cast(BinaryIO, member)
        return
    openers: dict[str, Callable[[Path, str], Any]] = {".gz": gzip.GzipFile, ".xz": lzma.LZMAFile}
    with openers.get(path.suffix.lower(), Path.open)(path, "rb") as file:
        yield file


def _read_csv(path: Path, lines: Iterable[str]) -> Dataset:
    rows = csv.reader(lines)
    header = [name.strip() for name in next(rows, [])]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DataError(f"{path} lacks the column {', '.join(missing)}: FER-2013's CSV has {', '.join(COLUMNS)}")
    emotion_column, pixels_column, usage_column = (header.index(name) for name in COLUMNS)
    images, labels, splits = bytearray(), bytearray(), []
    for row in rows:
        if not row:
            continue
        line = rows.line_num
        if len(row) != len(header):
            raise DataError(f"{path} line {line} has {len(row)} columns, not {len(header)}: the file is damaged")
        emotion = row[emotion_column]
        if emotion not in "0123456" or len(emotion) != 1:
            raise DataError(f"{path} line {line} has the emotion {emotion!r}, not 0 to {len(EMOTIONS) - 1}")
        try:
            pixels = bytes(map(int, row[pixels_column].split()))
        except ValueError as error:
            raise DataError(f"{path} line {line} has a pixel that is not a number from 0 to 255") from error
        if len(pixels) != PIXELS_PER_IMAGE:
            raise DataError(f"{path} line {line} has {len(pixels)} pixels, not {PIXELS_PER_IMAGE}: the file is damaged")
        images += pixels
        labels.append(int(emotion))
        splits.append(split_name(row[usage_column]))
    if not splits:
        raise DataError(f"{path} has a header but no rows: download it again")
    return Dataset(
        name=to_text(Path(path.name)),
        images=np.frombuffer(images, np.uint8).reshape(-1, IMAGE_SIZE_PX, IMAGE_SIZE_PX),
        labels=np.frombuffer(labels, np.uint8),
        splits=np.array(splits),
    )

"""Reads back what `mien query --all` wrote: NDJSON, JSON or CSV, in any encoding with a mark, also in gzip's format."""

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from mien.errors import DataError, UsageError
from mien.files.text_file import EncodingError, decode_line, utf8_lines
from mien.output import without_formula_mark
from mien.progress import ProgressReporter

STDIN = Path("-")
GZIP = b"\x1f\x8b"
UNREADABLE = {
    b"PAR1": "is Parquet: export it with --format ndjson instead",
    b"ARROW1": "is Arrow: export it with --format ndjson instead",
    b"\xff\xff\xff\xff": "is Arrow: export it with --format ndjson instead",
    b"SQLite format 3\0": "is a database: export it with `mien query --all --format ndjson` and import that",
    b"PK\x03\x04": "is a ZIP archive: unpack it first",
    b"\xfd7zXZ\0": "is compressed with xz: unpack it first, `xz -dc FILE | mien import -`",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd: unpack it first, `zstd -dc FILE | mien import -`",
    b"BZh": "is compressed with bzip2: unpack it first, `bzip2 -dc FILE | mien import -`",
}
"""By their first bytes, files that people may take for an export, and what to do."""
MAX_OBJECT_CHARACTERS = 50_000
"""Of an object in JSON; an observation has about a thousand."""
FIX_LINE = "fix or delete that line and import again; the lines before it are stored"
NOT_AN_EXPORT = "import a file that `mien query --all` wrote with --format ndjson, --json or --csv"


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """A row of an export, not yet checked."""

    fields: dict[str, Any]
    """The values by the names of the columns."""
    line_number: int
    is_text: bool = False
    """Whether all values are text, as in CSV, and not as JSON has them."""


@contextmanager
def open_export(file: Path, progress: ProgressReporter) -> Iterator[BinaryIO]:
    """A file, whose reading is reported, or standard input. OSError if the file cannot be opened."""
    if file != STDIN:
        size_bytes = file.stat().st_size
        with progress("importing", size_bytes) as advance, _CountedFile(file, advance) as counted:
            yield io.BufferedReader(counted)
    elif sys.stdin is None:
        raise UsageError("there is no standard input: name a file, or pipe one in")
    else:
        yield sys.stdin.buffer


def read_rows(stream: BinaryIO, name: str) -> Iterator[ExportedRow]:
    """The rows of an export, one after another, so that memory does not grow with their number.

    DataError, whose line begins with `name`, if the file is no export, is cut off, or at the first line that is not in
    the export's format; the rows before it have been yielded.
    """
    start = _peek(stream)
    for magic, problem in UNREADABLE.items():
        if start.startswith(magic):
            raise DataError(f"{name} {problem}")
    content = io.BufferedReader(gzip.GzipFile(fileobj=stream)) if start.startswith(GZIP) else stream
    try:
        yield from _parse(utf8_lines(content), name)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        hint = "copy it again; the rows before that are stored"
        raise DataError(f"{name} is cut off or damaged ({error}): {hint}") from error
    except EncodingError as error:
        raise DataError(f"{name} {error}") from error


def _peek(stream: BinaryIO) -> bytes:
    return stream.peek(16) if isinstance(stream, io.BufferedReader) else b""


def _parse(lines: Iterator[bytes], name: str) -> Iterator[ExportedRow]:
    first = next(lines, b"")
    lines = chain([first], lines)
    match first.lstrip()[:1]:
        case b"" | b"{":
            return _parse_ndjson(lines, name)
        case b"[":
            return _parse_json(lines, name)
        case _:
            return _parse_csv(lines, name)


def _parse_ndjson(lines: Iterator[bytes], name: str) -> Iterator[ExportedRow]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield ExportedRow(msgspec.json.decode(line, type=dict), number)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"{name}, line {number}: {error}: {FIX_LINE}") from error


def _parse_json(lines: Iterator[bytes], name: str) -> Iterator[ExportedRow]:
    """The objects of an array, decoded one at a time."""
    decoder = json.JSONDecoder()
    waiting, first_number, is_complete, separators = "", 1, False, "["
    for number, text in _decode(lines, name):
        waiting += text
        if "}" not in text and "]" not in text:
            if len(waiting) > MAX_OBJECT_CHARACTERS:
                break
            continue
        position = 0
        while True:
            position = _skip(waiting, position, separators)
            if waiting[position : position + 1] in ("", "]"):
                is_complete = waiting[position : position + 1] == "]"
                break
            try:
                row, position = decoder.raw_decode(waiting, position)
            except (json.JSONDecodeError, RecursionError):
                break  # the object goes on in the next line, or is none
            if not isinstance(row, dict):
                raise DataError(f"{name}, line {first_number}: Expected `object`: {NOT_AN_EXPORT}")
            yield ExportedRow(row, first_number)
            separators = ","
        waiting = waiting[position:]
        if not waiting.strip():
            first_number = number + 1
        if is_complete:
            return
        if len(waiting) > MAX_OBJECT_CHARACTERS:
            break
    hint = "fix it, or export again; the rows before that are stored"
    raise DataError(f"{name}, line {first_number}: the JSON ends before the array does, or is malformed: {hint}")


def _skip(text: str, position: int, separators: str) -> int:
    """The next position that is neither white space nor a separator."""
    while position < len(text) and (text[position].isspace() or text[position] in separators):
        position += 1
    return position


def _parse_csv(lines: Iterator[bytes], name: str) -> Iterator[ExportedRow]:
    reader = csv.reader((text for _, text in _decode(lines, name)), strict=True)
    try:
        header = [without_formula_mark(cell) for cell in next(reader)]
        if "id" not in header:
            raise DataError(f"{name} does not begin with the columns of observations: {NOT_AN_EXPORT}")
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                problem = f"{len(cells)} values instead of {len(header)}"
                raise DataError(f"{name}, line {reader.line_num}: {problem}: {FIX_LINE}")
            values = map(without_formula_mark, cells)
            yield ExportedRow(dict(zip(header, values, strict=True)), reader.line_num, is_text=True)
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error}: {FIX_LINE}") from error


def _decode(lines: Iterator[bytes], name: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        try:
            yield number, decode_line(line)
        except EncodingError as error:
            raise DataError(f"{name}, line {number}: it {error}; the lines before it are stored") from error


class _CountedFile(io.FileIO):
    """A file that calls `advance` with the number of bytes read."""

    def __init__(self, path: Path, advance: Callable[[int], None]) -> None:
        super().__init__(path, "rb")
        self._advance = advance

    def readinto(self, buffer: Any) -> int:
        size = super().readinto(buffer) or 0
        self._advance(size)
        return size

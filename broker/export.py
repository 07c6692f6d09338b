"""Writes all that a question is about, however much, in a form for other programs."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import tzinfo
from itertools import chain
from typing import Any

from mien.errors import MissingExtra, UsageError

from .answer import print_csv, print_json, print_ndjson
from .rows import arrow_table

COLUMNAR = ("parquet", "arrow")


def export(
    pages: Iterable[list[dict[str, Any]]], form: str, zone: tzinfo | None, columns: Mapping[str, type] | None = None
) -> None:
    """Write pages of rows on stdout: csv, json, ndjson, parquet, or arrow, which is Arrow's IPC stream.

    `columns` are what there is to see without rows, too. MissingExtra if the form needs pyarrow, UsageError if binary
    data would go onto a terminal.
    """
    columns = columns or {}
    if form in COLUMNAR:
        _write_columns(pages, form, zone, columns)
        return
    rows = chain.from_iterable(pages)
    if form == "csv":
        print_csv(rows, columns=columns)
    else:
        {"json": print_json, "ndjson": print_ndjson}[form](rows)


def _write_columns(
    pages: Iterable[list[dict[str, Any]]], form: str, zone: tzinfo | None, columns: Mapping[str, type]
) -> None:
    if sys.stdout.isatty():
        raise UsageError(
            f"{form} is no text for a terminal: write it to a file, mien query --format {form} > log.{form}"
        )
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(f"{form} needs pyarrow: pip install 'mien[arrow]'") from error
    tables = (arrow_table(rows, zone, columns) for rows in _groups(pages))
    first = next(tables, None)
    if first is None:
        first = arrow_table([], zone, columns)
    out = pa.PythonFile(sys.stdout.buffer, mode="w")
    opened = parquet.ParquetWriter if form == "parquet" else pa.ipc.new_stream
    with closing(opened(out, first.schema)) as writer:
        for table in chain([first], tables):
            writer.write_table(table)
    sys.stdout.flush()


def _groups(pages: Iterable[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    """Pages put together to groups worth a header: readers of Parquet like some ten thousand rows."""
    rows: list[dict[str, Any]] = []
    for page in pages:
        rows += page
        if len(rows) >= 50_000:
            yield rows
            rows = []
    if rows:
        yield rows

"""Exports any number of rows on stdout, in a format for other programs."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Any

from mien.errors import MissingExtra, UsageError
from mien.output import print_csv, print_json, print_ndjson

from .aggregate import MINUTE_COLUMNS
from .result import Result

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNAR_FORMATS = ("parquet", "arrow")
ROW_GROUP_ROWS = 20_000
"""Parquet readers work best with row groups of tens of thousands of rows."""


def export_pages(pages: Iterable[Result[Any]], output_format: str) -> None:
    """Write pages on stdout as csv, json, ndjson, parquet, or arrow, which is Arrow's IPC stream.

    MissingExtra if the format needs pyarrow, UsageError if stdout is a terminal and the format is binary.
    """
    if output_format in COLUMNAR_FORMATS:
        _write_columns(pages, output_format)
        return
    iterator = iter(pages)
    first = next(iterator)
    rows = chain.from_iterable(page.to_dicts() for page in chain([first], iterator))
    if output_format == "csv":
        print_csv(rows, columns=first.columns, minute_columns=MINUTE_COLUMNS)
    elif output_format == "json":
        print_json(rows, minute_columns=MINUTE_COLUMNS)
    else:
        print_ndjson(rows, minute_columns=MINUTE_COLUMNS)


def _write_columns(pages: Iterable[Result[Any]], output_format: str) -> None:
    if sys.stdout.isatty():
        raise UsageError(
            f"{output_format} is binary and stdout is a terminal: "
            f"write it to a file, mien query --format {output_format} > log.{output_format}"
        )
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(f"{output_format} needs pyarrow: pip install 'mien[arrow]'") from error
    row_groups = _row_groups(pages)
    first = next(row_groups)
    file = pa.PythonFile(sys.stdout.buffer, mode="w")
    open_writer = parquet.ParquetWriter if output_format == "parquet" else pa.ipc.new_stream
    with closing(open_writer(file, first.schema)) as writer:
        for row_group in chain([first], row_groups):
            writer.write_table(row_group)
    sys.stdout.flush()


def _row_groups(pages: Iterable[Result[Any]]) -> "Iterator[pa.Table]":
    """Pages, of which there is at least one, as tables of many rows."""
    import pyarrow as pa

    tables: list[pa.Table] = []
    row_count = 0
    for page in pages:
        tables.append(page.to_arrow())
        row_count += len(page)
        if row_count >= ROW_GROUP_ROWS:
            yield pa.concat_tables(tables).combine_chunks()
            tables, row_count = [], 0
    if tables:
        yield pa.concat_tables(tables).combine_chunks()

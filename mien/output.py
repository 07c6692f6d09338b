"""Prints rows on standard output: a table for people, CSV for spreadsheets, JSON and NDJSON for programs."""

import csv
import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from types import NoneType, SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 200
"""Characters in a line without a terminal: Rich would assume 80, and wrap lines that a pipe could carry whole."""
JSON_TYPES = frozenset({str, int, float, bool, list, dict, NoneType})
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a text may begin with that a spreadsheet reads as a formula (OWASP, "CSV Injection")."""


def print_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Iterable[str] = (),
    minute_columns: Collection[str] = (),
    right_columns: Collection[str] = (),
    title: str = "",
    note: str = "",
    empty: str = "nothing to list",
    console: "Console | None" = None,
) -> None:
    """Print a table with `note` below it; only `empty` if there are no rows.

    columns: which keys to print, in this order; by default those of the first row. minute_columns: columns of times
    without seconds. right_columns: text to align right, as numbers are. Floats have two decimals.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = console or Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    if not rows:
        console.print(empty)
        return
    names = list(columns or rows[0])
    table = Table(header_style="bold", title=title or None)
    for name in names:
        first_value = next((row[name] for row in rows if row[name] is not None), None)
        is_right = isinstance(first_value, int | float) or name in right_columns
        table.add_column(escape(to_printable(name)), justify="right" if is_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_to_cell(row[name], without_seconds=name in minute_columns)) for name in names))
    console.print(table)
    if note:
        console.print(note, style="dim")


def print_line(row: Mapping[str, Any], *, columns: Iterable[str] = ()) -> None:
    """Print a row of a table that never ends."""
    print("  ".join(f"{_to_cell(row[name]):<10}" for name in columns or row).rstrip())


def print_csv(
    rows: Iterable[Mapping[str, Any]],
    *,
    columns: Iterable[str] = (),
    minute_columns: Collection[str] = (),
    file: TextIO | None = None,
) -> None:
    """Print CSV with a header; without rows, the header is `columns`.

    A text that a spreadsheet would read as a formula gets a `'` in front; numbers are as they are.
    """
    iterator = iter(rows)
    first = next(iterator, None)
    names = list(columns if first is None else first)
    if not names:
        return
    output = file or sys.stdout
    # Before Python 3.13, csv quotes a carriage return only if lines end in one; unquoted, it would begin another row.
    lines = SimpleNamespace(write=lambda line: output.write(line.removesuffix("\r\n") + "\n"))
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(map(_to_csv_cell, names))
    for row in iterator if first is None else chain([first], iterator):
        writer.writerow([_to_csv_cell(row[name], without_ms=name in minute_columns) for name in names])


def print_json(
    rows: Iterable[Mapping[str, Any]], *, minute_columns: Collection[str] = (), indent: int | None = 1
) -> None:
    """Print a JSON array of objects as they come; it is complete even if an error ends the rows early.

    Without an indent, each object is one line.
    """
    started = False
    try:
        for row in to_plain_rows(rows, minute_columns=minute_columns):
            sys.stdout.write(",\n" if started else "[\n")
            sys.stdout.write(json.dumps(row, indent=indent))
            started = True
    finally:
        if started:
            print("\n]")
    if not started:
        print("[]")


def print_ndjson(
    rows: Iterable[Mapping[str, Any]], *, minute_columns: Collection[str] = (), file: TextIO | None = None
) -> None:
    """Print a JSON object per line."""
    output = file or sys.stdout
    for row in to_plain_rows(rows, minute_columns=minute_columns):
        output.write(f"{json.dumps(row)}\n")


def to_plain_rows(
    rows: Iterable[Mapping[str, Any]], *, minute_columns: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """Rows with the values of JSON and CSV: times in ISO 8601 with their offset, bytes in hexadecimal."""
    return (
        {
            name: value if type(value) in JSON_TYPES else _to_plain(value, without_ms=name in minute_columns)
            for name, value in row.items()
        }
        for row in rows
    )


def _to_plain(value: Any, *, without_ms: bool = False) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds" if without_ms else "milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | float | list | dict) else str(value)


def _to_csv_cell(value: Any, *, without_ms: bool = False) -> Any:
    plain = value if type(value) in JSON_TYPES else _to_plain(value, without_ms=without_ms)
    is_formula = isinstance(plain, str) and plain.startswith(FORMULA_STARTS) and not isinstance(value, Decimal)
    return f"'{plain}" if is_formula else plain


def without_formula_mark(cell: str) -> str:
    """A cell of CSV without the mark that `print_csv` puts in front of what a spreadsheet would read as a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def _to_cell(value: Any, *, without_seconds: bool = False) -> str:
    if isinstance(value, datetime):  # without an offset: the whole table is in one time zone
        text = value.strftime("%Y-%m-%d %H:%M" if without_seconds else "%Y-%m-%d %H:%M:%S")
    else:
        text = f"{value:.2f}" if isinstance(value, float) else str(None if value is None else _to_plain(value))
    return to_printable(text)


def to_printable(text: str) -> str:
    """Text for a terminal: a device's text, or a file's name, must not send control sequences to it."""
    return "".join(character if character.isprintable() else "?" for character in text)


def text_bar(length: int) -> str:
    """A bar of so many characters, to be printed on standard output."""
    return symbol("█", "#") * length


def symbol(character: str, substitute: str) -> str:
    """The character, or its substitute in ASCII if the encoding of standard output lacks it."""
    try:
        character.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return substitute
    return character

"""Prints rows of the log: a table for people, CSV for spreadsheets, JSON for programs."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

NOTE = "One observation is one tracked face over a reporting interval (1 s by default), not one person."
WHOLE = ("minute", "hour")
"""Columns of moments without seconds."""


def print_table(
    rows: Sequence[dict[str, Any]], console: Console, *, empty: str = "no observations match", note: str = NOTE
) -> None:
    """A table with a column for each key, and `note` below; `empty` if there are no rows."""
    if not rows:
        console.print(empty)
        return
    table = Table(header_style="bold")
    for name, value in rows[0].items():
        table.add_column(name, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(name, value)) for name, value in row.items()))
    console.print(table)
    if note:
        console.print(note, style="dim")


def print_line(row: Mapping[str, Any]) -> None:
    """A row of a table that has no end."""
    print("  ".join(f"{_cell(name, value):<10}" for name, value in row.items()).rstrip())


def _cell(name: str, value: Any) -> str:
    if isinstance(value, datetime):  # no offset: the table is in the time zone that was asked for
        words = value.strftime("%Y-%m-%d %H:%M" if name in WHOLE else "%Y-%m-%d %H:%M:%S")
    else:
        words = f"{value:.2f}" if isinstance(value, float) else str(plain(name, value))
    return "".join(letter if letter.isprintable() else "?" for letter in words)  # no device moves this cursor


def plain(name: str, value: Any) -> Any:
    """A column's value as JSON and CSV have it: moments in ISO 8601 with their offset, bytes in hexadecimal digits."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds" if name in WHOLE else "milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, str | int | float | list | dict) else str(value)


def plain_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows whose values are plain."""
    return ({name: plain(name, value) for name, value in row.items()} for row in rows)


def print_csv(rows: Iterable[Mapping[str, Any]], file: TextIO | None = None, *, columns: Iterable[str] = ()) -> None:
    """CSV with a header, that of `columns` if there are no rows."""
    plain = plain_rows(rows)
    first = next(plain, None)
    names = list(columns if first is None else first)
    if not names:
        return
    writer = csv.DictWriter(file or sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain if first is None else chain([first], plain))


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """A JSON array of objects, each on lines of its own."""
    begun = False
    for row in plain_rows(rows):
        sys.stdout.write(",\n" if begun else "[\n")
        sys.stdout.write(json.dumps(row, indent=1))
        begun = True
    print("\n]" if begun else "[]")


def print_ndjson(rows: Iterable[Mapping[str, Any]]) -> None:
    """A JSON object on each line."""
    for row in plain_rows(rows):
        print(json.dumps(row))

"""Prints rows of the log: a table for people, CSV for spreadsheets, JSON for programs."""

import csv
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

NOTE = "One observation is one tracked face over a reporting interval (1 s by default), not one person."


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


def _cell(name: str, value: Any) -> str:
    if name == "at":  # whole seconds, and no offset: the table is in the time zone that was asked for
        return str(value)[:19].replace("T", " ")
    words = f"{value:.2f}" if isinstance(value, float) else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in words)  # no device moves this cursor


def print_csv(rows: Sequence[dict[str, Any]]) -> None:
    """CSV with a header; nothing if there are no rows."""
    if rows:
        writer = csv.DictWriter(sys.stdout, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def print_json(rows: Sequence[dict[str, Any]]) -> None:
    """A JSON array of objects."""
    json.dump(rows, sys.stdout, indent=1)
    print()


def print_ndjson(rows: Sequence[dict[str, Any]]) -> None:
    """A JSON object on each line."""
    for row in rows:
        print(json.dumps(row))

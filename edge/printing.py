"""Prints findings on standard output as they come: lines for people, CSV for spreadsheets, JSON for programs."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from .finding import COLUMNS, Finding

Print = Callable[[Finding], None]
BAR = 20
"""Characters for a confidence of 1."""


@contextmanager
def lines() -> Iterator[Print]:
    """A line each: file, time, face, emotion, confidence."""

    def show(finding: Finding) -> None:
        row = finding.row()
        name = "".join(letter if letter.isprintable() else "?" for letter in finding.file)
        minutes, seconds = divmod(finding.at_s or 0.0, 60)
        at = "" if finding.at_s is None else f"{int(minutes):3d}:{seconds:04.1f}"
        bar = "█" * round(row["confidence"] * BAR)
        print(f"{name} {at:8} {finding.track:2d} {row['emotion']:8} {row['confidence']:4.2f} {bar}")

    yield show


@contextmanager
def as_csv() -> Iterator[Print]:
    """CSV with a header."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    yield lambda finding: writer.writerow(finding.row())


@contextmanager
def as_json() -> Iterator[Print]:
    """An array of objects, complete even if it ends early."""
    separator = "["

    def show(finding: Finding) -> None:
        nonlocal separator
        print(f"{separator}\n {json.dumps(finding.row())}", end="")
        separator = ","

    try:
        yield show
    finally:
        print("[]" if separator == "[" else "\n]")


PRINTERS: dict[str, Callable[[], AbstractContextManager[Print]]] = {"lines": lines, "csv": as_csv, "json": as_json}
"""By the name of the form."""

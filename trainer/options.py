"""What the trainer's verbs share: options, and what is to be done before anything heavy is imported."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

DataOption = Annotated[
    Path, typer.Option("--data", help="fer2013.csv (plain, .gz, .xz, .zip), pictures by emotion, CK+ or JAFFE.")
]
FerplusOption = Annotated[Path | None, typer.Option("--ferplus", help="fer2013new.csv, FER+'s votes on fer2013.csv.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def prepare() -> None:
    """Before TensorFlow is imported: its notes on the processor are not for mien's users; warnings and errors stay."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    logging.getLogger("absl").setLevel(logging.WARNING)


def check_writable(file: Path, suffix: str) -> None:
    """UsageError before minutes of work, not after, if a file cannot be what it is to become."""
    if file.suffix != suffix or file.is_dir() or not os.access(file.parent, os.W_OK):
        raise UsageError(f"cannot write {file}: name a {suffix} file in a folder that can be written to")

"""What the trainer's commands share: options, checks, and the setup that must come before TensorFlow is imported."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        help="fer2013.csv (plain, .gz, .xz, .zip) or images in folders by emotion; to evaluate, also CK+ or JAFFE.",
    ),
]
FerplusOption = Annotated[
    Path | None, typer.Option("--ferplus", help="fer2013new.csv: FER+'s votes on the images of fer2013.csv.")
]
MAX_SKIPPED_LINES = 50
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def quiet_tensorflow() -> None:
    """Silence TensorFlow's information about the processor; warnings and errors stay. Call it before the import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    logging.getLogger("absl").setLevel(logging.WARNING)


def report_skipped(skipped: Sequence[str], images_read: int) -> None:
    """List on standard error what a dataset's folder has and was not read, each with the reason, and count it."""
    if not skipped:
        return
    for line in skipped[:MAX_SKIPPED_LINES]:
        typer.echo(f"skipped {line}", err=True)
    more = len(skipped) - MAX_SKIPPED_LINES
    rest = f", {more} of them not listed" if more > 0 else ""
    typer.echo(f"read {images_read} images, skipped {len(skipped)} files or folders{rest}", err=True)


def check_writable(file: Path, suffix: str) -> None:
    """UsageError if an output file has another suffix or cannot be written: before minutes of work, not after."""
    if file.suffix != suffix or file.is_dir() or not os.access(file.parent, os.W_OK):
        raise UsageError(f"{file} cannot be written: name a {suffix} file in a writable folder")

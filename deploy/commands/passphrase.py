"""A passphrase from a file, the terminal or stdin: never from the command line, which other users can see."""

import sys
from pathlib import Path

import typer

from mien.errors import UsageError


def read_passphrase(subject: str, file: Path | None, option: str, *, confirm: bool = False) -> str:
    """From the file, the terminal, or the first line of stdin. UsageError, which names the option, without any.

    `confirm` makes people enter it twice.
    """
    if file is not None:
        return read_text(file).rstrip("\n")
    if sys.stdin.isatty():
        prompt = f"Passphrase of {subject}"
        return str(typer.prompt(prompt, hide_input=True, err=True, confirmation_prompt=confirm))
    if passphrase := sys.stdin.readline().rstrip("\n"):
        return passphrase
    raise UsageError(f"there is no terminal to ask for the passphrase of {subject}: use {option}")


def read_text(file: Path) -> str:
    """UsageError if the file cannot be read."""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error

"""A passphrase from a file, the terminal or stdin: never from the command line, which other users can see."""

import sys
from pathlib import Path

import typer

from mien.errors import UsageError


def read_passphrase(subject: str, file: Path | None, option: str, *, confirm: bool = False) -> str:
    """From the file, the terminal, or the first line of stdin. UsageError, which names the option, without any.

    `confirm` makes people enter it twice.
    """
    from mien.files.text_file import EncodingError, decode_text, read_line, utf8_lines

    if file is not None:
        return read_line(file, error=UsageError)
    if sys.stdin.isatty():
        prompt = f"Passphrase of {subject}"
        return str(typer.prompt(prompt, hide_input=True, err=True, confirmation_prompt=confirm))
    try:
        passphrase = decode_text(next(utf8_lines(sys.stdin.buffer), b"")).rstrip("\n")
    except EncodingError as error:
        raise UsageError(f"the passphrase on stdin {error}") from error
    if passphrase:
        return passphrase
    raise UsageError(f"there is no terminal to ask for the passphrase of {subject}: use {option}")

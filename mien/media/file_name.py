"""Names of files as text: on Linux a name is any bytes, but a terminal, CSV and JSON carry only characters."""

import os
from pathlib import Path


def to_text(file: Path) -> str:
    r"""The path with each byte that is not UTF-8 written as `\xff`; unlike `str`, it can be printed and sent."""
    return os.fsencode(file).decode("utf-8", errors="backslashreplace")

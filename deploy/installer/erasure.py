"""Deletes a secret so that its file system no longer contains it.

A flash card writes elsewhere what is overwritten, and keeps the old cells until it needs them: only someone who reads
its chips, past its controller, can find them.
"""

import os
from pathlib import Path


def erase(file: Path) -> None:
    """Overwrite a file in place with zeros, and delete it once these are on the disk; nothing if it does not exist."""
    if not file.exists():
        return
    with file.open("r+b") as content:
        size_bytes = content.seek(0, os.SEEK_END)
        content.seek(0)
        content.write(bytes(size_bytes))
        content.flush()
        os.fsync(content.fileno())
    file.unlink()


def is_present(file: Path) -> bool:
    """Whether a file exists and was not overwritten, as after a power cut within `erase`."""
    try:
        with file.open("rb") as content:
            return content.read(1) != b"\0"
    except FileNotFoundError:
        return False

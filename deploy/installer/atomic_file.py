"""Writes files so that a power cut leaves either the old content or the new, never a part of it.

The installer's own copy of mien/files/atomic_file.py: it runs on the Pi before mien is installed, with the standard
library alone, and sets owners too. It does not flush folders, because the installer ends with `sync`.
"""

import os
import stat
from pathlib import Path


def write_file(file: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace a file atomically. `owner` is a user ID and a group ID; a secret is never readable by anyone else."""
    temporary = file.with_name(f".{file.name}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        output.write(content)
        if owner is not None:
            os.fchown(output.fileno(), *owner)
        os.fchmod(output.fileno(), mode)
        os.fsync(output.fileno())
    temporary.replace(file)


def copy_file(source: Path, target: Path) -> None:
    """Replace `target` atomically by a copy of `source`, with its mode and owner."""
    status = source.stat()
    write_file(target, source.read_bytes(), stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))

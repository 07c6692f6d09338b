"""Files that are written completely or not at all, even if the process dies or the power is cut while writing.

deploy/installer/atomic_file.py promises the same on the Pi, where it runs with the standard library alone.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET = 0o600
"""The mode of a file that only its owner may access."""


@contextmanager
def atomic_write(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; it replaces `path` only if the block succeeds and is on disk.

    With a mode, such as SECRET, the file has it before anything is written; otherwise the umask decides. OSError if the
    file cannot be written, for example because the disk is full.
    """
    temporary = path.with_name(f"part-{path.name}")
    try:
        temporary.unlink(missing_ok=True)  # left by an interrupted write
        if mode is not None:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield temporary
        _keep_owner(temporary, path)
        move_into_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a whole file atomically, as `atomic_write` does."""
    with atomic_write(path, mode=mode) as temporary:
        temporary.write_bytes(content)


def write_secret(path: Path, content: bytes) -> None:
    """Write a file atomically that only its owner can read, at any moment."""
    write_file(path, content, mode=SECRET)


def move_into_place(temporary: Path, path: Path) -> None:
    """Replace `path` by a finished file of the same file system, once that is on disk."""
    _flush(temporary)
    temporary.replace(path)
    try:
        _flush(path.parent)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot flush a folder
            raise


def _keep_owner(temporary: Path, path: Path) -> None:
    """Give a file that root writes to the owner of the one that it replaces: its program must go on reading it."""
    if os.geteuid() == 0 and path.exists():
        status = path.stat()
        os.chown(temporary, status.st_uid, status.st_gid)


def _flush(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

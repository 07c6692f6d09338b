"""Files that are there whole or not at all, whatever dies while they are written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.errors import TrainingError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes `path`'s place only if the block succeeds and is on disk.

    TrainingError if it cannot be written, a full disk for instance.
    """
    part = path.with_name(f"part-{path.name}")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        cure = "make room there, then run the command again (a training with --resume)"
        raise TrainingError(f"{path} cannot be written ({error.strerror}): {cure}") from error
    finally:
        part.unlink(missing_ok=True)

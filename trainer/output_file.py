"""The files that the trainer writes: each completely or not at all, and a full disk is an error with a hint."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.errors import TrainingError
from mien.files.atomic_file import atomic_write


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """`atomic_write`, but TrainingError if the file cannot be written."""
    try:
        with atomic_write(path) as part:
            yield part
    except OSError as error:
        hint = "free some disk space, then run the command again (a training with --resume)"
        raise TrainingError(f"{path} cannot be written ({error.strerror}): {hint}") from error

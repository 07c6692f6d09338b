"""Standard output that fails with one line and not with a traceback: a full disk, a closed pipe, a poor encoding."""

import io
import os
import sys
from typing import Any

from mien.errors import OutputClosed, OutputError

DESCRIPTOR = 1


def guard_stdout() -> None:
    """From now on, a failure to write standard output is raised once, as OutputError, or OutputClosed for a pipe.

    What is written after that is discarded, so that nothing fails again while the program ends. A character that the
    terminal's encoding lacks, or a file name that is not UTF-8, is written as an escape such as `\\u2192`. Where
    standard output has been replaced, as in tests, nothing changes.
    """
    if sys.stdout is None:  # closed by the caller; the descriptor must not become that of some other file
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (os.devnull is no file to open as a path)
        return
    if not isinstance(sys.stdout, io.TextIOWrapper) or not _is_descriptor(sys.stdout):
        return
    sys.stdout.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_GuardedFile(DESCRIPTOR, "wb", closefd=False)),
        encoding=sys.stdout.encoding,
        errors="backslashreplace" if sys.stdout.errors == "strict" else sys.stdout.errors,
        line_buffering=sys.stdout.line_buffering or sys.stdout.write_through,
    )


class _GuardedFile(io.FileIO):
    is_lost = False

    def write(self, data: Any) -> int:
        if self.is_lost:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError as error:
            self.is_lost = True
            raise OutputClosed("nobody reads standard output any more: keep the pipe open for all of it") from error
        except OSError as error:
            self.is_lost = True
            hint = "free some disk space, or write to another place"
            raise OutputError(f"standard output cannot be written ({error.strerror}): {hint}") from error


def _is_descriptor(stream: io.TextIOWrapper) -> bool:
    """Whether this is still the stream that the process was started with."""
    binary = stream.buffer
    raw = binary.raw if isinstance(binary, io.BufferedWriter) else binary
    return type(raw) is io.FileIO and raw.fileno() == DESCRIPTOR

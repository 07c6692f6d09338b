"""The progress bar on a real terminal, with standard output on the terminal, in a file, or in a pipe."""

import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

EXPORT = """
from mien.progress import with_progress_bar
for page in with_progress_bar([["first"], ["second", "third"]], "exporting", 3):
    print(*page)
"""


def run_with_stderr_on_a_terminal(stdout: int | None) -> str:
    """What the terminal shows; `stdout` is a file, or None for the same terminal."""
    terminal, stderr = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(terminal, 65536):
                shown.append(chunk)
        except OSError:  # EIO: the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    command = [sys.executable, "-c", EXPORT]
    subprocess.run(command, check=True, stdout=stderr if stdout is None else stdout, stderr=stderr, env=environment)
    os.close(stderr)
    reader.join()
    os.close(terminal)
    return b"".join(shown).decode()


def test_output_into_a_file_stays_out_of_the_terminal(tmp_path: Path) -> None:
    with (tmp_path / "log.csv").open("wb") as file:
        shown = run_with_stderr_on_a_terminal(file.fileno())
    assert (tmp_path / "log.csv").read_text() == "first\nsecond third\n"
    assert "exporting" in shown
    assert "3/3" in shown
    assert "first" not in shown


def test_output_on_the_same_terminal_is_printed_above_the_bar() -> None:
    shown = run_with_stderr_on_a_terminal(None)
    assert shown.index("first") < shown.index("second third") < shown.rindex("exporting")


def test_without_a_terminal_there_is_no_bar() -> None:
    result = subprocess.run([sys.executable, "-c", EXPORT], check=True, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("first\nsecond third\n", "")

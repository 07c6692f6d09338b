"""A full disk behind standard output is one line, a closed pipe is quiet, and a poor terminal gets ASCII."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sample_logs import write_log

MIEN = [sys.executable, "-m", "mien"]
COMMANDS = {
    "help": ["--help"],
    "schema": ["config", "schema", "agent"],
    "table": ["query", "--all"],
    "csv": ["query", "--all", "--csv"],
    "json": ["query", "--all", "--json"],
    "parquet": ["query", "--all", "--format", "parquet"],
    "unbuffered ndjson": ["query", "--all", "--format", "ndjson"],
    "subject": ["db", "export-subject", "--device", "hallway"],
}


def run(folder: Path, name: str, stdout: int) -> tuple[int, str]:
    """The exit code of a command and what it printed on standard error."""
    if "query" in COMMANDS[name] or "db" in COMMANDS[name]:
        write_log(folder / "mien.db", 300)
    environment = os.environ | ({"PYTHONUNBUFFERED": "1"} if name.startswith("unbuffered") else {})
    process = subprocess.run(
        [*MIEN, *COMMANDS[name]],
        cwd=folder,
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return process.returncode, process.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_one_line_with_an_exit_code(tmp_path: Path, name: str) -> None:
    with Path("/dev/full").open("w") as full:
        exit_code, error = run(tmp_path, name, full.fileno())
    line = (
        "mien: standard output cannot be written (No space left on device): free some disk space, or write to another "
        "place"
    )
    if name == "json":
        line = '{"error": "' + line.removeprefix("mien: ") + '", "kind": "OutputError", "exit_code": 14}'
    assert (exit_code, error) == (14, f"{line}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_closed_pipe_is_quiet(tmp_path: Path, name: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run(tmp_path, name, writer) == (141, "")
    finally:
        os.close(writer)


def test_closed_standard_output_is_no_error(tmp_path: Path) -> None:
    command = 'exec "$@" >&-'
    process = subprocess.run(
        ["sh", "-c", command, "sh", *MIEN, "config", "schema", "agent"], cwd=tmp_path, capture_output=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, b"")


SCRIPT = """
from mien.files.standard_output import guard_stdout
from mien.output import print_table, symbol, text_bar
guard_stdout()
print(text_bar(3), symbol("→", "->"), "Küche", "\\udcff")
print_table([{"emotion": "happy"}])
"""


@pytest.mark.parametrize(
    ("encoding", "line", "has_ascii_table"),
    [
        ("utf-8", "███ → Küche \\udcff", False),
        ("latin-1", "### -> Küche \\udcff", True),
        ("ascii", "### -> K\\xfcche \\udcff", True),
    ],
)
def test_a_terminal_gets_only_characters_that_it_has(
    tmp_path: Path, encoding: str, line: str, has_ascii_table: bool
) -> None:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    first, *table = process.stdout.decode(encoding).splitlines()
    assert first == line
    assert "".join(table).isascii() == has_ascii_table
    assert "happy" in "".join(table)

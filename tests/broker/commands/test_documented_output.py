"""docs/queries.md shows the real output of `mien query`, for a log that is created here."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from visits import record_visits

DOCUMENT = (Path(__file__).parents[3] / "docs" / "queries.md").read_text()


def documented_examples() -> list[tuple[str, str]]:
    """The document's commands and the output below each."""
    return re.findall(r"^\$ mien (query .*)\n((?:(?!\$|```).*\n)+)", DOCUMENT, re.MULTILINE)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    record_visits(tmp_path / "mien.db")
    return tmp_path


def test_the_document_has_examples() -> None:
    assert len(documented_examples()) >= 2


@pytest.mark.parametrize(("command", "output"), documented_examples())
def test_the_document_shows_the_real_output(log: Path, command: str, output: str) -> None:
    process = subprocess.run(
        [Path(sys.executable).parent / "mien", *shlex.split(command)],
        cwd=log,
        env=os.environ | {"COLUMNS": "100", "TZ": "UTC", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    lines = "".join(f"{line.rstrip()}\n" for line in (process.stdout + process.stderr).splitlines())
    assert lines == output, "paste the real output into docs/queries.md"

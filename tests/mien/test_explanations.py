"""`mien explain`, and the number that an error names on a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from mien.cli import main
from mien.explanations import explain, number_for, read_explanations

MISSING = "nothing.db does not exist: name the collector's database with --db"


def test_a_message_leads_to_its_own_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", f"mien: {MISSING}"]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"{number_for(MISSING, 8)} … does not exist: name the collector's database")
    assert "collector/data/mien.db" in output


def test_an_exit_code_leads_to_its_section_and_a_number_to_one_of_it() -> None:
    section = explain("8")
    assert section[0].heading == "Database and outbox (exit code 8)"
    assert len(section) > 5
    assert all(entry.number == "8" or entry.number.startswith("8.") for entry in section)
    assert explain("8.2") == [section[2]]


def test_words_lead_to_a_symptom(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "always", "neutral"]) == 0
    assert capsys.readouterr().out.startswith("Always neutral, or always the same\n\nFaces that are small")


def test_without_words_everything_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(read_explanations())


def test_words_that_are_nowhere_are_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "xyzzy"]) == 2
    assert "nothing is known about 'xyzzy'" in capsys.readouterr().err


def test_on_a_terminal_an_error_names_its_explanation_and_elsewhere_it_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mien", "query", "--db", "nothing.db"]
    piped = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert piped.stderr == f"mien: {MISSING}\n"
    primary, terminal = pty.openpty()
    with subprocess.Popen(command, cwd=tmp_path, stderr=terminal) as process:
        os.close(terminal)
        lines = os.read(primary, 4096).decode()
        if "more:" not in lines:
            lines += os.read(primary, 4096).decode()
    os.close(primary)
    assert process.returncode == 8
    assert lines.splitlines() == [f"mien: {MISSING}", f"more: mien explain {number_for(MISSING, 8)}"]

"""A program of the test's own, found on the path before any other of its name."""

import stat
from pathlib import Path

import pytest


def install_program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> Path:
    """Write an executable script into the folder and put the folder in front of the path."""
    program = folder / name
    program.write_text(source)
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return program

"""Which Pythons `make test-wheels` finds."""

import os
import sys
from pathlib import Path

import pytest

from mien.deploy.packaging.interpreters import SUPPORTED, find_interpreter

ROOT = Path(__file__).parents[3]
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_python_of_pyenv_is_found_and_one_that_does_not_start_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims, versions = tmp_path / "shims", tmp_path / "versions" / f"{OWN}.9" / "bin"
    for folder in (shims, versions):
        folder.mkdir(parents=True)
    broken = shims / f"python{OWN}"  # as pyenv's command for a version that is not selected
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(shims))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find_interpreter(OWN) is None
    (versions / "python").symlink_to(sys.executable)
    found = find_interpreter(OWN)
    assert found is not None
    assert os.access(found, os.X_OK)
    assert find_interpreter("3.99") is None


def test_the_supported_versions_are_those_of_the_package() -> None:
    first, last = SUPPORTED[0], SUPPORTED[-1]
    limit = f"3.{int(last.removeprefix('3.')) + 1}"
    assert f'requires-python = ">={first},<{limit}"' in (ROOT / "pyproject.toml").read_text()

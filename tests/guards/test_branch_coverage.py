"""The check of `make coverage`, and its list of reasons."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from branch_coverage import FOLDER, find_problems, read_reasons

ROOT = Path(__file__).parents[2]


def test_low_modules_need_a_reason_and_others_must_not_have_one() -> None:
    percents = {"edge/agent.py": 89.9, "edge/cli.py": 90.0, "mien/cli.py": 12.0, "mien/output.py": 95.0}
    reasons = {"mien/cli.py": "why", "mien/output.py": "why", "mien/gone.py": "why"}
    assert find_problems(percents, reasons) == [
        "edge/agent.py: 89.9 % is below 90 %: test it, or name the reason in low_coverage.toml",
        "mien/gone.py: there is no such module: remove it from low_coverage.toml",
        "mien/output.py: 95.0 % needs no reason: remove it from low_coverage.toml",
    ]
    assert find_problems({"mien/cli.py": 12.0}, {"mien/cli.py": "why"}) == []


def test_the_reasons_are_those_of_modules() -> None:
    for module, reason in read_reasons().items():
        assert (ROOT / module).is_file(), module
        assert len(reason.split()) > 3, module


def test_branches_and_child_processes_are_measured(tmp_path: Path) -> None:
    """coverage.py itself, with the settings of pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]
    assert settings["run"]["branch"]
    module = tmp_path / "one_way.py"
    module.write_text("import sys\nif len(sys.argv) > 5:\n    print(1)\nprint(2)\n")
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "run", "--branch", module.name], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run([*coverage, "json", "-o", "report.json"], cwd=tmp_path, check=True, capture_output=True)
    percent = json.loads((tmp_path / "report.json").read_text())["files"]["one_way.py"]["summary"]["percent_covered"]
    assert round(percent, 1) == 66.7  # three of four lines, one of two branches
    check = [sys.executable, str(FOLDER / "branch_coverage.py"), str(tmp_path / "report.json")]
    result = subprocess.run(check, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "one_way.py: 66.7 % is below 90 %" in result.stderr

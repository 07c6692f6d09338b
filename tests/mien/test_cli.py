import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from mien.cli import PANELS, create_app, main
from mien.version import VERSION


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom mien.cli import main\nassert main(['--help']) == 0\n"
        "print([name for name in ('tensorflow', 'keras', 'cv2', 'numpy', 'sqlalchemy', 'rich') if name in sys.modules],"
        " file=sys.stderr)"
    )
    process = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert process.stderr.strip() == "[]"
    assert "Exit codes" in process.stdout


def test_help_lists_every_command_under_its_panel_within_80_columns(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "mien", "--help"],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = process.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    headings = [line.rstrip(":") for line in lines if re.fullmatch(r"[A-Z].*:", line)]
    assert headings == ["Options", *PANELS]
    commands = get_command(create_app()[0]).commands  # type: ignore[attr-defined]
    column = 2 + max(map(len, commands)) + 2
    for name, command in commands.items():
        (row,) = [number for number, line in enumerate(lines) if re.match(rf"  {name}  ", line)]
        heading = next(line.rstrip(":") for line in reversed(lines[:row]) if re.fullmatch(r"[A-Z].*:", line))
        assert heading == command.rich_help_panel
        text = [lines[row][column:]]
        for line in lines[row + 1 :]:
            if not line.startswith(" " * column):
                break
            text.append(line[column:])
        assert " ".join(text) == command.get_short_help_str(limit=1000), "cut off or in another column"


def test_python_m_mien_is_the_same_command(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "mien", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert process.stdout == f"mien {VERSION}\n"


def test_an_error_is_one_line_with_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", "/nowhere/mien.db"]) == 8
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "mien: /nowhere/mien.db does not exist: name the collector's database with --db\n"


def test_with_json_the_error_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", "/nowhere/mien.db", "--json"]) == 8
    error = json.loads(capsys.readouterr().err)
    assert (error["kind"], error["exit_code"]) == ("DatabaseError", 8)


def test_wrong_options_have_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--color", "red"]) == 2
    assert "No such option: --color" in capsys.readouterr().err


def test_a_missing_package_names_the_extra_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ModuleNotFoundError(\"No module named 'cv2'\", name='cv2')")
    (tmp_path / "agent.toml").write_text('device = "hallway"')
    process = subprocess.run(
        [sys.executable, "-m", "mien", "agent", "--config", "agent.toml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 9
    assert process.stderr.splitlines()[-1] == "mien: `mien agent` needs the package cv2: pip install 'mien[edge]'"


def test_config_check_reports_the_first_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('device = "hallway"\n[motion]\npim = 4\n')
    assert main(["config", "check", "agent", str(file)]) == 3
    assert "did you mean motion.pin?" in capsys.readouterr().err
    file.write_text('device = "hallway"\n')
    assert main(["config", "check", "agent", str(file)]) == 0


def test_config_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema", "collector"]) == 0
    assert "CollectorSettings" in json.loads(capsys.readouterr().out)["$defs"]

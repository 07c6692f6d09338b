import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien.command import main
from mien.version import VERSION


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom mien.command import main\nassert main(['--help']) == 0\n"
        "print([name for name in ('tensorflow', 'keras', 'cv2', 'numpy', 'sqlalchemy', 'rich') if name in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Exit codes" in done.stdout


def test_python_m_mien_is_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mien", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"mien {VERSION}\n"


def test_an_error_is_one_line_with_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", "/nowhere/mien.db"]) == 8
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "mien: /nowhere/mien.db does not exist: name the collector's database with --db\n"


def test_with_json_the_error_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--db", "/nowhere/mien.db", "--json"]) == 8
    error = json.loads(capsys.readouterr().err)
    assert (error["kind"], error["exit_code"]) == ("DatabaseError", 8)


def test_wrong_options_have_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--colour", "red"]) == 2
    assert "No such option: --colour" in capsys.readouterr().err


def test_a_missing_package_names_the_extra_that_brings_it(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ModuleNotFoundError(\"No module named 'cv2'\", name='cv2')")
    (tmp_path / "agent.toml").write_text('device = "hallway"')
    done = subprocess.run(
        [sys.executable, "-m", "mien", "agent", "run", "--config", "agent.toml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 9
    assert done.stderr.splitlines()[-1] == "mien: `mien agent` needs the package cv2: pip install 'mien[edge]'"


def test_config_check_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('device = "hallway"\n[motion]\npim = 4\n')
    assert main(["config", "check", "agent", str(file)]) == 3
    assert "did you mean motion.pin?" in capsys.readouterr().err
    file.write_text('device = "hallway"\n')
    assert main(["config", "check", "agent", str(file)]) == 0


def test_config_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema", "collector"]) == 0
    assert "CollectorSettings" in json.loads(capsys.readouterr().out)["$defs"]

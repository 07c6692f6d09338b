"""The rooms' walls: who may import whom, read off the syntax trees."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("edge", "trainer", "broker", "deploy")
HEAVY = {
    "tensorflow": {"trainer"},
    "keras": {"trainer"},
    "sklearn": {"trainer"},
    "matplotlib": {"trainer"},
    "cv2": {"edge", "trainer", "mien/faces.py", "mien/preprocessing.py"},
    "numpy": {"edge", "trainer", "mien/faces.py", "mien/preprocessing.py", "mien/classifier.py"},
    "ai_edge_litert": {"trainer", "mien/classifier.py"},
    "tflite_runtime": {"mien/classifier.py"},
    "sqlalchemy": {"broker"},
    "amqtt": {"broker"},
    "gpiozero": {"edge"},
}
SOURCES = sorted(file for folder in ("mien", *PROGRAMS) for file in (ROOT / folder).rglob("*.py"))


def imported(file: Path) -> Iterator[tuple[str, bool]]:
    """Each imported module's name, with a dot if it is relative, and whether it is imported at the top of the file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from ((alias.name, node in tree.body) for alias in names)
            case ast.ImportFrom(module, _, level):
                assert level <= 1, f"{file.relative_to(ROOT)} imports from above its room"
                yield ("." if level else "") + (module or ""), node in tree.body


def may_import(file: Path, allowed: set[str]) -> bool:
    name = file.relative_to(ROOT).as_posix()
    return name in allowed or name.split("/")[0] in allowed


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_program_imports_another_and_the_contract_imports_none(file: Path) -> None:
    room = file.relative_to(ROOT).parts[0]
    for name, _ in imported(file):
        assert name.split(".")[0] not in (*PROGRAMS, "tests", "benchmarks"), f"{name}: write mien.{name}"
        is_program = name.startswith("mien.") and name.split(".")[1] in PROGRAMS
        assert not is_program, f"{room} imports {name}: another program, or its own by its long name"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_heavy_packages_are_imported_only_where_they_belong(file: Path) -> None:
    for name, _ in imported(file):
        package = name.split(".")[0]
        assert package not in HEAVY or may_import(file, HEAVY[package]), f"{package} does not belong here"


@pytest.mark.parametrize("file", [file for file in SOURCES if file.name.endswith(("cli.py", "command.py"))], ids=str)
def test_commands_import_their_parts_only_when_they_run(file: Path) -> None:
    light = {
        "mien.configuration_command",
        "mien.errors",
        "mien.journal",
        "mien.version",
        "mien.command",
        "typer",
        ".classify_command",
        ".dashboard_command",
        ".db_command",
        ".doctor_command",
        ".flash_command",
        ".import_command",
        ".options",
        ".query_command",
        ".rejected_command",
        ".train_command",
    }
    standard = {
        "collections.abc",
        "contextlib",
        "datetime",
        "importlib.metadata",
        "json",
        "logging",
        "os",
        "pathlib",
        "shlex",
        "sys",
        "typing",
    }
    assert {name for name, at_top in imported(file) if at_top} <= light | standard


def test_only_a_program_s_cli_builds_its_parts() -> None:
    builders = {"Agent", "Uplink", "Outbox", "Collector", "Store"}
    for file in SOURCES:
        if file.name == "cli.py":
            continue
        calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        built = {call.id for call in calls if isinstance(call, ast.Name)} & builders
        assert not built, f"{file.relative_to(ROOT)} builds {built}"


def test_the_packages_are_the_folders_on_disk() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {file.parent.relative_to(ROOT).as_posix() for file in SOURCES}
    expected = {(folder if folder.startswith("mien") else f"mien/{folder}").replace("/", ".") for folder in folders}
    assert set(setuptools["packages"]) == expected
    assert setuptools["package-dir"] == {f"mien.{program}": program for program in PROGRAMS}


def test_the_only_model_in_the_tree_is_the_default() -> None:
    ignored = {".venv", "build", ".git"}
    models = [
        file.relative_to(ROOT).as_posix()
        for file in ROOT.rglob("*.tflite")
        if not ignored & set(file.relative_to(ROOT).parts)
    ]
    assert models == ["mien/models/default.tflite"]

"""The walls of the house: who may import whom, read off the syntax trees."""

import ast
import graphlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("edge", "trainer", "broker", "deploy")
MAX_SOURCE_FILES = 14
"""In one folder."""
MAX_BENCHMARKS = 16
"""They are commands that documents name by their path, one for each question."""
DIRECTIONS = {
    "mien": set(),
    "mien/commands": {"mien", "mien/settings"},
    "mien/face_detection": {"mien"},
    "mien/files": {"mien"},
    "mien/media": {"mien"},
    "mien/messages": {"mien"},
    "mien/model": {"mien"},
    "mien/mqtt": {"mien", "mien/files", "mien/network"},
    "mien/network": {"mien"},
    "mien/settings": {"mien", "mien/files"},
    "mien/tls": {"mien"},
    "edge/camera/faults": set(),
    "edge/camera/network": set(),
    "edge/aim": {"edge", "edge/camera", "edge/motion", "edge/vision", "edge/health"},
    "edge/camera": {"edge", "edge/camera/faults", "edge/camera/network"},
    "edge/motion": {"edge", "edge/camera"},
    "edge/vision": {"edge", "edge/camera"},
    "edge/delivery": {"edge"},
    "edge/health": {
        *("edge", "edge/camera", "edge/camera/faults", "edge/motion", "edge/vision", "edge/delivery"),
    },
    "edge/classify": {"edge", "edge/camera", "edge/vision"},
    "trainer/data": {"trainer"},
    "trainer/models": {"trainer"},
    "trainer/evaluation": {"trainer", "trainer/data", "trainer/models"},
    "trainer/report": {"trainer", "trainer/data", "trainer/evaluation"},
    "trainer/training": {"trainer", "trainer/data", "trainer/models", "trainer/evaluation", "trainer/report"},
    "trainer/export": {"trainer", "trainer/data", "trainer/evaluation"},
    "broker/database": {"broker"},
    "broker/database/migrations": set(),
    "broker/database/migrations/versions": set(),
    "broker/intake": {"broker", "broker/database"},
    "broker/timekeeping": {"broker", "broker/database"},
    "broker/ingest": {"broker", "broker/database", "broker/intake", "broker/timekeeping"},
    "broker/predictions": {"broker", "broker/database"},
    "broker/query": {"broker", "broker/database", "broker/predictions"},
    "broker/web": {"broker", "broker/predictions", "broker/query"},
    "broker/admin": {"broker", "broker/database", "broker/ingest", "broker/query"},
    "broker/demo": {"broker", "broker/database", "broker/query"},
    "deploy/packaging": {"deploy"},
    "deploy/installer": set(),
    "deploy/device": {"deploy", "deploy/packaging"},
    "deploy/server": {"deploy", "deploy/packaging"},
    "deploy/backup": {"deploy", "deploy/server"},
    "deploy/host": {"deploy", "deploy/backup", "deploy/installer", "deploy/packaging", "deploy/server"},
}
"""Which packages of its own room a package may import, beside itself. The command line (a room's own folder and its
`commands`) may import all of its room; all rooms may import `mien`, which imports none of them."""
HEAVY = {
    "tensorflow": {"trainer"},
    "keras": {"trainer"},
    "sklearn": {"trainer"},
    "matplotlib": {"trainer"},
    "cv2": {"edge", "trainer", "mien/face_detection", "mien/media", "mien/model/preprocessing.py"},
    "numpy": {
        *("edge", "trainer", "mien/face_detection", "mien/media"),
        *("mien/model/preprocessing.py", "mien/model/classifier.py"),
    },
    "ai_edge_litert": {"trainer", "mien/model/classifier.py"},
    "tflite_runtime": {"mien/model/classifier.py"},
    "sqlalchemy": {"broker"},
    "amqtt": {"broker"},
    "gpiozero": {"edge"},
    "paho": {"mien/mqtt"},
}
BUILT_BY_COMMANDS = {"Agent", "Collector", "Outbox", "Publisher", "Store"}
SOURCES = sorted(
    file for folder in ("mien", *PROGRAMS) for file in (ROOT / folder).rglob("*.py") if "runs" not in file.parts
)
COMMANDS = [file for file in SOURCES if file.name == "cli.py" or file.parent.name == "commands"]


def package_of(file: Path) -> str:
    """The folder of a source file, from the repository's root."""
    return file.parent.relative_to(ROOT).as_posix()


def module_of(file: Path) -> str:
    """The name that a source file is imported by."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "mien" else ("mien", *parts))


MODULES = {module_of(file): file for file in SOURCES}


def imported(file: Path) -> Iterator[tuple[str, bool]]:
    """Each imported module's whole name, and whether it is imported at the top of the file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    own_package = module_of(file) if file.name == "__init__.py" else module_of(file).rpartition(".")[0]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from ((alias.name, node in tree.body) for alias in names)
            case ast.ImportFrom(module, names, level):
                assert level <= 1, f"{file.relative_to(ROOT)} imports from above its package"
                base = ".".join(filter(None, (own_package if level else "", module)))
                for alias in names:
                    whole = f"{base}.{alias.name}"
                    yield whole if whole in MODULES else base, node in tree.body


def may_import(file: Path, allowed: set[str]) -> bool:
    name = file.relative_to(ROOT).as_posix()
    return any(name == one or name.startswith(f"{one}/") for one in allowed)


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_program_imports_another_and_the_contract_imports_none(file: Path) -> None:
    room = file.relative_to(ROOT).parts[0]
    for name, _ in imported(file):
        assert name.split(".")[0] not in (*PROGRAMS, "tests", "benchmarks"), f"{name}: write mien.{name}"
        program = name.split(".")[1] if name.startswith("mien.") else ""
        assert program not in PROGRAMS or program == room, f"{room} imports {name}: another program"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_packages_import_each_other_in_one_direction(file: Path) -> None:
    package = package_of(file)
    room = package.split("/")[0]
    if package == room or package == f"{room}/commands":
        return  # cli.py, agent.py and the settings; commands put all parts together
    for name, _ in imported(file):
        other = package_of(MODULES[name]) if name in MODULES else ""
        if other.split("/")[0] == room and other != package:
            assert other in DIRECTIONS[package], f"{package} may not import {other}"


def test_the_directions_name_every_package() -> None:
    packages = {package_of(file) for file in SOURCES}
    assert DIRECTIONS.keys() | {f"{program}/commands" for program in PROGRAMS} | set(PROGRAMS) == packages


def test_no_import_leads_back_to_where_it_began() -> None:
    graph = {name: {other for other, _ in imported(file) if other in MODULES} for name, file in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()
    graphlib.TopologicalSorter(
        {folder: others - {folder.split("/")[0]} for folder, others in DIRECTIONS.items()}
    ).prepare()


@pytest.mark.parametrize(
    "folder", sorted({file.parent for file in SOURCES}), ids=lambda f: f.relative_to(ROOT).as_posix()
)
def test_a_folder_can_be_seen_at_a_glance(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MAX_SOURCE_FILES
    about = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert about, f"say in one sentence what lives in {folder.relative_to(ROOT)}"
    assert len(about.splitlines()) == 1


def test_the_folders_of_tests_and_benchmarks_stay_small() -> None:
    for place in {file.parent for folder in ("tests", "benchmarks") for file in (ROOT / folder).rglob("*.py")}:
        limit = MAX_BENCHMARKS if place == ROOT / "benchmarks" else MAX_SOURCE_FILES
        assert len(list(place.glob("*.py"))) <= limit, place.relative_to(ROOT)


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_heavy_packages_are_imported_only_where_they_belong(file: Path) -> None:
    for name, _ in imported(file):
        package = name.split(".")[0]
        assert package not in HEAVY or may_import(file, HEAVY[package]), f"{package} does not belong here"


@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_commands_import_their_parts_only_when_they_run(file: Path) -> None:
    light = {"mien.errors", "mien.logging_setup", "mien.version", "msgspec", "typer", "typer.core"}
    light |= {"mien.files.standard_output"}  # every command writes there
    light |= {"mien.settings.struct_fields", "mien.trainer.recipe"}  # the options of `mien train` are a recipe's fields
    light |= {module_of(command) for command in COMMANDS}
    standard = {
        "collections.abc",
        "contextlib",
        "datetime",
        "importlib.metadata",
        "inspect",
        "json",
        "logging",
        "os",
        "pathlib",
        "shlex",
        "sys",
        "typing",
    }
    assert {name for name, at_top in imported(file) if at_top} <= light | standard


def test_only_commands_put_the_parts_together() -> None:
    for file in SOURCES:
        if file in COMMANDS:
            continue
        calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        built = {call.id for call in calls if isinstance(call, ast.Name)} & BUILT_BY_COMMANDS
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
    assert models == ["mien/model/default.tflite"]

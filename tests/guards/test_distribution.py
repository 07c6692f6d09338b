"""What people install: the wheel, and each extra alone in a fresh environment."""

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mien.broker
from mien.classifier import Classifier
from mien.deploy.raspberry_pi_os import RELEASES, Release
from mien.deploy.wheel import write_wheel
from mien.edge.frame import read_picture

ROOT = Path(__file__).parents[2]
PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from an sdist of the files that git would commit: leftovers of earlier builds cannot help."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            copy = folder / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--outdir", str(folder), str(folder / "source")]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_source_file_and_the_model(wheel: Path) -> None:
    expected = {"mien/models/default.tflite", "mien/broker/portrait.jpg", "mien/broker/portrait.txt", "mien/py.typed"}
    expected.add("mien/trainer/page.html")
    data = ("Dockerfile", "compose.yaml", "datasette.yaml", "install.sh", "notice.html")
    expected |= {f"mien/deploy/{name}" for name in (*data, "locks/bookworm.txt", "locks/trixie.txt")}
    for folder in ("broker/page", "deploy/grafana"):
        expected |= {f"mien/{folder}/{file.name}" for file in (ROOT / folder).iterdir()}
    for folder in ("mien", "edge", "trainer", "broker", "deploy"):
        for file in (ROOT / folder).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            expected.add(name if folder == "mien" else f"mien/{name}")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        licenses = {Path(name).name for name in archive.namelist() if "/licenses/" in name}
    assert found == expected
    assert licenses == {"LICENSE", "MODEL_LICENSE"}


def test_the_wheel_that_goes_onto_devices_is_the_same(tmp_path: Path, wheel: Path) -> None:
    """`mien flash` makes it from what is installed, from a checkout too; twice the same, byte for byte."""
    names = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        names.append(write_wheel(folder))
    assert names[0].read_bytes() == names[1].read_bytes()
    assert names[0].name == wheel.name
    with zipfile.ZipFile(names[0]) as made, zipfile.ZipFile(wheel) as built:
        sources = {name for name in built.namelist() if ".dist-info/" not in name}
        assert {name for name in made.namelist() if ".dist-info/" not in name} == sources
        for name in sources:
            assert made.read(name) == built.read(name)
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    install = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", names[0]]
    subprocess.run(install, check=True)
    shown = [environment / "bin" / "python", "-m", "pip", "show", "--files", "mien"]
    assert "mien/edge/agent.py" in subprocess.run(shown, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_the_lock_of_a_pi_s_packages_is_what_the_agent_asks_for(release: Release) -> None:
    locked = dict(re.findall(r"^(\S+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}$", release.lock, re.MULTILINE))
    assert len(locked) == release.lock.count("==") > 10
    versions = {canonicalize_name(name): version for name, version in locked.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in [*project["dependencies"], *project["optional-dependencies"]["edge"]]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), f"{line}: run `make locks`"


class Environment:
    """A fresh virtual environment with mien and one extra."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        venv.create(folder, with_pip=True)
        self._python = folder / "bin" / "python"
        self._folder = folder
        install = [self._python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[{extra}]"]
        subprocess.run(install, check=True)

    def run(self, *arguments: str) -> str:
        """Run Python from a folder that is not the repository; what it prints."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        done = subprocess.run(
            [self._python, *arguments], cwd=self._folder, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def packages(self) -> set[str]:
        listed = self.run("-m", "pip", "list", "--format=json", "--disable-pip-version-check")
        return {package["name"].lower() for package in json.loads(listed)}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("extra", "modules", "verbs", "absent"),
    [
        ("edge", "agent uplink camera motion", ["agent", "agent run"], {"tensorflow", "tensorflow-cpu", "sqlalchemy"}),
        (
            "broker",
            "collector store counting listing",
            ["collect", "query"],
            {"numpy", "opencv-python-headless", "tensorflow-cpu"},
        ),
        ("dashboard", "dashboard access serving", ["dashboard", "query"], {"numpy", "tensorflow-cpu"}),
        ("deploy", "server kit flash", ["server init", "device add", "flash"], {"numpy", "sqlalchemy", "paho-mqtt"}),
        ("demo", "demo", ["demo"], {"tensorflow", "tensorflow-cpu", "keras"}),
        ("trainer", "training export evaluation", ["train", "evaluate", "export"], {"sqlalchemy", "paho-mqtt"}),
    ],
)
def test_each_extra_alone_runs_its_program(
    tmp_path: Path, wheel: Path, extra: str, modules: str, verbs: list[str], absent: set[str]
) -> None:
    environment = Environment(tmp_path / extra, wheel, extra)
    program = "broker" if extra in ("dashboard", "demo") else extra
    for module in modules.split() or [""]:
        environment.run("-c", f"import {'.'.join(filter(None, ('mien', program, module)))}")
    for verb in ["", *verbs]:
        assert "Usage: mien" in environment.run("-m", "mien", *verb.split(), "--help")
    assert not environment.packages() & absent


@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="tflite-runtime has wheels for Python 3.11 and older only")
def test_the_original_runtime_gives_the_answers_of_its_successor(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "tflite-runtime", wheel, "tflite-runtime")
    script = (
        "from pathlib import Path\nfrom mien.classifier import Classifier\nfrom mien.edge.frame import read_picture\n"
        "import mien.edge.agent\n"
        "classifier = Classifier()\nprint(classifier.runtime)\n"
        f"print(*classifier(read_picture(Path({str(PORTRAIT)!r}))))"
    )
    runtime, answer = environment.run("-c", script).splitlines()
    assert runtime == "tflite-runtime 2.14.0"
    assert "ai-edge-litert" not in environment.packages()
    assert [float(score) for score in answer.split()] == pytest.approx(
        Classifier()(read_picture(PORTRAIT)).tolist(),
        abs=0.05,  # its int8 kernels round differently
    )


def test_the_traps_of_the_dependencies_are_pinned() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in ("edge", "trainer", "tflite-runtime"):
        (opencv,) = [line for line in extras[extra] if line.startswith("opencv")]
        assert "<5" in opencv or "<4.12" in opencv
    for lines in extras.values():
        for line in lines:
            assert line.startswith("mien[") or any(bound in line for bound in ("<", "==", ">=2025")), line

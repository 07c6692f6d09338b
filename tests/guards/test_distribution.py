"""What users install: the wheel, and each extra alone in a fresh environment."""

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
from releases import copy_working_tree

from mien.deploy.packaging.wheel import write_wheel
from mien.deploy.raspberry_pi_os import OS_RELEASES, OsRelease
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image
from mien.model.classifier import Classifier

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from an sdist of the files that git would commit, without leftovers of earlier builds."""
    folder = tmp_path_factory.mktemp("wheel")
    copy_working_tree(folder / "source")
    build = [sys.executable, "-m", "build", "--outdir", str(folder), str(folder / "source")]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_contains_every_source_file_and_the_model(wheel: Path) -> None:
    expected = {
        "mien/model/default.tflite",
        "mien/py.typed",
        "mien/troubleshooting.md",
        "mien/trainer/report/report.html",
    }
    yunet = ("face_detection_yunet_2023mar.onnx", "YUNET_LICENSE_APACHE", "YUNET_LICENSE_MIT")
    expected |= {f"mien/face_detection/{name}" for name in yunet}
    expected |= {"mien/edge/camera/portrait.jpg", "mien/edge/camera/portrait.txt", "mien/deploy/installer/install.sh"}
    server = ("Dockerfile", "compose.yaml", "datasette.yaml", "privacy_notice.html", "prometheus-rules.yaml")
    expected |= {f"mien/deploy/server/{name}" for name in server}
    for folder in ("broker/web/static", "edge/aim/static", "deploy/server/grafana", "deploy/packaging/locks"):
        expected |= {f"mien/{folder}/{file.name}" for file in (ROOT / folder).iterdir()}
    for folder in ("mien", "edge", "trainer", "broker", "deploy"):
        for file in (ROOT / folder).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            expected.add(name if folder == "mien" else f"mien/{name}")
    with zipfile.ZipFile(wheel) as archive:
        contents = {name for name in archive.namelist() if ".dist-info/" not in name}
        licenses = {Path(name).name for name in archive.namelist() if "/licenses/" in name}
    assert contents == expected
    assert licenses == {"LICENSE", "MODEL_LICENSE", "YUNET_LICENSE_APACHE", "YUNET_LICENSE_MIT"}


def test_the_wheel_for_devices_has_the_same_contents(tmp_path: Path, wheel: Path) -> None:
    """`mien flash` builds it from the installed package or a checkout, reproducibly."""
    wheels = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        wheels.append(write_wheel(folder))
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    assert wheels[0].name == wheel.name
    with zipfile.ZipFile(wheels[0]) as archive, zipfile.ZipFile(wheel) as expected:
        sources = {name for name in expected.namelist() if ".dist-info/" not in name}
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == sources
        for name in sources:
            assert archive.read(name) == expected.read(name)
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheels[0])], check=True)
    show = [python, "-m", "pip", "show", "--files", "mien"]
    assert "mien/edge/agent.py" in subprocess.run(show, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("os_release", OS_RELEASES.values(), ids=OS_RELEASES)
def test_the_locked_packages_satisfy_the_agent_s_requirements(os_release: OsRelease) -> None:
    locked = dict(re.findall(r"^(\S+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}$", os_release.lock, re.MULTILINE))
    assert len(locked) == os_release.lock.count("==") > 10
    versions = {canonicalize_name(name): version for name, version in locked.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in [*project["dependencies"], *project["optional-dependencies"]["edge"]]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), (
            f"{line}: run `make locks`"
        )


class Environment:
    """A fresh virtual environment with mien and one extra."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        venv.create(folder, with_pip=True)
        self._python = str(folder / "bin" / "python")
        self._folder = folder
        install = [self._python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[{extra}]"]
        subprocess.run(install, check=True)

    def run(self, *arguments: str) -> str:
        """Run Python outside the repository, and return its output."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
        }
        process = subprocess.run(
            [self._python, *arguments], cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    def packages(self) -> set[str]:
        packages = self.run("-m", "pip", "list", "--format=json", "--disable-pip-version-check")
        return {package["name"].lower() for package in json.loads(packages)}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("extra", "modules", "commands", "absent"),
    [
        (
            "edge",
            "agent delivery.publisher camera.factory motion.factory",
            ["agent", "doctor"],
            {"tensorflow", "tensorflow-cpu", "sqlalchemy"},
        ),
        (
            "broker",
            "ingest.collector ingest.store query.aggregate query.observations",
            ["collect", "query"],
            {"numpy", "opencv-python-headless", "tensorflow-cpu"},
        ),
        ("dashboard", "web.app web.auth web.server", ["dashboard", "query"], {"numpy", "tensorflow-cpu"}),
        (
            "deploy",
            "server.folder packaging.bundle device.sd_card",
            ["server init", "device add", "flash"],
            {"numpy", "sqlalchemy", "paho-mqtt"},
        ),
        ("demo", "demo.run", ["demo"], {"tensorflow", "tensorflow-cpu", "keras"}),
        (
            "trainer",
            "training.training export.export evaluation.evaluation",
            ["train", "model evaluate", "model export"],
            {"sqlalchemy", "paho-mqtt"},
        ),
    ],
)
def test_each_extra_alone_runs_its_program(
    tmp_path: Path, wheel: Path, extra: str, modules: str, commands: list[str], absent: set[str]
) -> None:
    environment = Environment(tmp_path / extra, wheel, extra)
    program = "broker" if extra in ("dashboard", "demo") else extra
    for module in modules.split() or [""]:
        environment.run("-c", f"import {'.'.join(filter(None, ('mien', program, module)))}")
    for command in ["", *commands]:
        assert "Usage: mien" in environment.run("-m", "mien", *command.split(), "--help")
    assert not environment.packages() & absent


@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="tflite-runtime has wheels for Python 3.11 and older only")
def test_the_original_runtime_makes_the_predictions_of_its_successor(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "tflite-runtime", wheel, "tflite-runtime")
    script = (
        "from pathlib import Path\nfrom mien.model.classifier import Classifier\n"
        "from mien.edge.camera.image_file import read_image\n"
        "import mien.edge.agent\n"
        "classifier = Classifier()\nprint(classifier.runtime)\n"
        f"print(*classifier(read_image(Path({str(PORTRAIT)!r}))))"
    )
    runtime, scores = environment.run("-c", script).splitlines()
    assert runtime == "tflite-runtime 2.14.0"
    assert "ai-edge-litert" not in environment.packages()
    assert [float(score) for score in scores.split()] == pytest.approx(
        Classifier()(read_image(PORTRAIT)).tolist(),
        abs=0.05,  # its int8 kernels round differently
    )


@pytest.mark.timeout(1200)
def test_faces_are_detected_with_opencv_4_and_5(tmp_path: Path, wheel: Path) -> None:
    """With OpenCV 5 by YuNet alone; the Haar cascade then says what it needs."""
    script = (
        "import cv2\nfrom mien.edge.vision.factory import open_detector\n"
        "from mien.edge.vision.settings import HaarSettings, YuNetSettings\nfrom mien.errors import MienError\n"
        f"image = cv2.imread({str(PORTRAIT)!r})\nprint(cv2.__version__)\n"
        "for settings in (YuNetSettings(), HaarSettings()):\n"
        "    try:\n        print(len(open_detector(settings).detect(image)))\n"
        "    except MienError as error:\n        print(error)\n"
    )
    environment = Environment(tmp_path / "edge", wheel, "edge")
    version, yunet, haar = environment.run("-c", script).splitlines()
    assert version.startswith("5.")
    assert yunet == "1"
    assert haar.startswith(f"OpenCV {version} has no Haar cascades: ")
    environment.run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "opencv-python-headless<5")
    version, yunet, haar = environment.run("-c", script).splitlines()
    assert version.startswith("4.")
    assert yunet == haar == "1"


def test_incompatible_versions_of_dependencies_are_excluded() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in ("edge", "trainer", "tflite-runtime"):
        (opencv,) = [line for line in extras[extra] if line.startswith("opencv")]
        assert "<6" in opencv or "<4.12" in opencv
    assert any(line.startswith("opencv") and "<5" in line for line in extras["test"])  # for the Haar cascade
    for lines in extras.values():
        for line in lines:
            assert line.startswith("mien[") or any(bound in line for bound in ("<", "==", ">=2025")), line

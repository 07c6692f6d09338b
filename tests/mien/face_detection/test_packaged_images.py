"""Both detectors, measured by benchmarks/detection.py, on images that come with mien and with packages of its tests."""

import hashlib
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest

from mien.edge.camera.demo_camera import PORTRAIT

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "detection.py"
PACKAGED = {
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg": (
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
        [(160, 95, 205, 255)],
    ),
    "matplotlib/mpl-data/sample_data/logo2.png": (
        "0d7371e055decaac47cb6e809af3442e9c1ecd02f1c1e2d063d1cfee4b4a21d7",
        [],
    ),
    "sklearn/datasets/images/china.jpg": ("8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29", []),
    "sklearn/datasets/images/flower.jpg": ("a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638", []),
}
"""By package and path: SHA-256, and left, top, width and height of the faces, marked by eye."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The images with their truth.json."""
    truth = {"portrait.jpg": {"faces": [marked((75, 60, 100, 120))]}}
    shutil.copy(PORTRAIT, tmp_path / "portrait.jpg")
    for name, (sha256, faces) in PACKAGED.items():
        package, _, path = name.partition("/")
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            pytest.skip(f"{package} is not installed")
        file = Path(spec.submodule_search_locations[0]) / path
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            pytest.skip(f"this {package} has another {path}")
        shutil.copy(file, tmp_path / file.name)
        truth[file.name] = {"faces": [marked(box) for box in faces]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    return tmp_path


def marked(box: tuple[int, int, int, int]) -> dict[str, object]:
    return {"box": box, "size": (box[2] + box[3]) / 2, "pose": "frontal"}


def test_every_face_is_found_and_yunet_sees_none_where_there_is_none(folder: Path) -> None:
    command = [sys.executable, str(BENCHMARK), str(folder), "--json"]
    if not hasattr(cv2, "CascadeClassifier"):
        command += ["--detector", "yunet"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stderr
    metrics = json.loads(process.stdout)
    assert metrics["recall_32"] == 1.0
    assert metrics["false_faces"] == 0
    assert metrics["ms"] > 0
    if "haar_recall_32" in metrics:
        assert metrics["haar_recall_32"] == 1.0
        assert metrics["haar_false_faces"] <= 2  # it sees one in the flower


def test_a_folder_without_truth_is_an_error_with_a_hint(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, str(BENCHMARK), str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 1
    assert process.stderr.strip().endswith(
        "cannot be read (No such file or directory): see `benchmarks/detection.py --help`"
    )

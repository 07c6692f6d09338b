"""The shipped model and the Haar cascade produce the same results on this machine and on a Pi's processor."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image
from mien.model.preprocessing import IMAGE_SIZE_PX, preprocess

ROOT = Path(__file__).parents[2]
EMULATED_PYTHON = ROOT / ".venv" / "arm64" / "python"

pytestmark = pytest.mark.skipif(
    not EMULATED_PYTHON.exists(), reason="there is no .venv/arm64: `make test-arm64` creates it"
)

Report = dict[str, Any]
"""The output of predict.py."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Report]:
    """Of this machine and of the emulated one, on the same preprocessed images: crops of the portrait, and noise."""
    folder = tmp_path_factory.mktemp("predictions")
    portrait = read_image(PORTRAIT)
    side = min(portrait.shape) * 3 // 4
    crops = [portrait[top : top + side, left : left + side] for top in (0, 10, 20) for left in range(0, 40, 4)]
    noise = np.random.default_rng(1).integers(0, 256, (30, IMAGE_SIZE_PX, IMAGE_SIZE_PX), dtype=np.uint8)
    np.save(folder / "preprocessed.npy", np.concatenate([[preprocess(crop) for crop in crops], noise]))

    def run(python: Path) -> Report:
        script = Path(__file__).with_name("predict.py")
        command = [str(python), str(script), str(folder / "preprocessed.npy"), str(PORTRAIT)]
        result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
        report: Report = json.loads(result.stdout)
        return report

    return run(Path(sys.executable)), run(EMULATED_PYTHON)


def test_the_predictions_are_identical_bit_for_bit(reports: tuple[Report, Report]) -> None:
    local, emulated = reports
    assert emulated["machine"] == "aarch64" != local["machine"]
    assert local["is_accelerated"]
    assert emulated["is_accelerated"]
    assert local["runtime"] == emulated["runtime"]
    assert len({tuple(scores) for scores in local["predictions"]}) > 10  # otherwise equality would mean little
    assert emulated["predictions"] == local["predictions"]


def test_the_cascade_detects_the_same_face(reports: tuple[Report, Report]) -> None:
    local, emulated = reports
    assert len(local["faces"]) == 1
    assert np.array(emulated["faces"]) == pytest.approx(np.array(local["faces"]), abs=0.02)  # a pixel or two

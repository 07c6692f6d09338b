"""The shipped model and the cascade answer alike on this machine and on a Pi's processor."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.edge.frame import read_picture
from mien.preprocessing import SIDE_PIXELS, prepare

ROOT = Path(__file__).parents[2]
PORTRAIT = ROOT / "broker" / "portrait.jpg"
PYTHON = ROOT / ".venv" / "arm64" / "python"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="there is no .venv/arm64: `make test-arm64` makes it")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of this machine and of the emulated one, to the same prepared pictures: the portrait, moved about, and noise."""
    folder = tmp_path_factory.mktemp("answers")
    portrait = read_picture(PORTRAIT)
    side = min(portrait.shape) * 3 // 4
    crops = [portrait[top : top + side, left : left + side] for top in (0, 10, 20) for left in range(0, 40, 4)]
    noise = np.random.default_rng(1).integers(0, 256, (30, SIDE_PIXELS, SIDE_PIXELS), dtype=np.uint8)
    np.save(folder / "prepared.npy", np.concatenate([[prepare(crop) for crop in crops], noise]))

    def ask(python: Path) -> dict[str, Any]:
        script = Path(__file__).with_name("answers.py")
        command = [str(python), str(script), str(folder / "prepared.npy"), str(PORTRAIT)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
        report: dict[str, Any] = json.loads(told.stdout)
        return report

    return ask(Path(sys.executable)), ask(PYTHON)


def test_the_model_gives_the_same_answers_bit_for_bit(answers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    here, there = answers
    assert there["machine"] == "aarch64" != here["machine"]
    assert here["accelerated"]
    assert there["accelerated"]
    assert here["runtime"] == there["runtime"]
    assert len({tuple(answer) for answer in here["answers"]}) > 10  # or equality would say little
    assert there["answers"] == here["answers"]


def test_the_cascade_finds_the_same_face(answers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    here, there = answers
    assert len(here["faces"]) == 1
    assert np.array(there["faces"]) == pytest.approx(np.array(here["faces"]), abs=0.02)  # a pixel or two

"""`mien doctor --watch-empty` proposes to mask what the detector takes for faces, and the mask then works."""

import json
import re
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.cli import main
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image
from mien.edge.health.empty_room import merge_areas, to_toml_line


def watch(
    folder: Path, capsys: pytest.CaptureFixture[str], camera: str, duration_s: float = 0.5
) -> tuple[int, dict[str, str]]:
    """The exit code and the result of watching this camera."""
    (folder / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "{folder}/outbox.db"\n[camera]\n{camera}\n', encoding="utf-8"
    )
    code = main(["doctor", "--config", str(folder / "agent.toml"), "--watch-empty", str(duration_s), "--json"])
    config, result = json.loads(capsys.readouterr().out)["checks"]
    assert config["subject"] == "config"
    assert result["subject"] == "empty room"
    return code, result


def test_the_proposed_mask_covers_the_poster_and_nothing_is_found_any_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wall = np.full((480, 640), 110, np.uint8)
    wall[100:360, 200:440] = read_image(PORTRAIT)
    cv2.imwrite(str(tmp_path / "wall.png"), wall)
    camera = f'kind = "file"\npath = "{tmp_path}/wall.png"\nframes_per_second = 20\nstill_duration_s = 0.6'
    camera += "\nmask = [[0.0, 0.0, 0.1, 0.1]]"
    code, result = watch(tmp_path, capsys, camera, 30)
    assert (code, result["level"]) == (0, "warning")
    assert re.fullmatch(r"faces in (\d+) of \1 frames, in 1 place", result["message"])
    line = result["hint"].removeprefix("if nobody was in view, set in [camera]: ")
    kept, (left, top, width, height) = tomllib.loads(line)["mask"]
    assert kept == [0, 0, 0.1, 0.1]
    # the portrait's face is around (0.50, 0.45), a fifth of the image high
    assert 0.3 < left < 0.42
    assert 0.58 < left + width < 0.7
    assert 0.2 < top < 0.34
    assert 0.56 < top + height < 0.7
    code, result = watch(tmp_path, capsys, camera.rpartition("\n")[0] + "\n" + line, 30)
    assert (code, result["level"]) == (0, "ok")
    assert result["message"].startswith("faces in 0 of ")


def test_the_time_is_limited_with_a_camera_that_never_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = watch(tmp_path, capsys, 'kind = "demo"\nframes_per_second = 20')
    assert (code, result["level"]) == (0, "warning")
    frames = int(result["message"].split(" of ")[1].split()[0])
    assert 1 <= frames <= 12


def test_a_camera_that_is_missing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = watch(tmp_path, capsys, f'kind = "file"\npath = "{tmp_path}/none.png"')
    assert (code, result["level"]) == (1, "error")
    assert result["hint"].startswith("set camera.path")


def test_areas_that_overlap_become_one_and_stay_inside_the_image() -> None:
    assert merge_areas([(-0.05, 0.1, 0.2, 0.2), (0.6, 0.61, 0.2, 0.2), (0.1, 0.25, 0.111, 0.1)]) == [
        (0.0, 0.1, 0.22, 0.25),
        (0.6, 0.61, 0.2, 0.2),
    ]
    assert merge_areas([(0.9, 0.9, 0.5, 0.5)]) == [(0.9, 0.9, 0.1, 0.1)]
    chain = [(0.1, 0.1, 0.1, 0.1), (0.3, 0.1, 0.1, 0.1), (0.15, 0.1, 0.2, 0.1)]
    assert merge_areas(chain) == [(0.1, 0.1, 0.3, 0.1)]
    assert to_toml_line([(0.0, 0.1, 0.22, 0.25)]) == "mask = [[0, 0.1, 0.22, 0.25]]"

"""A media file is what its bytes say, not its ending, and a short clip gives its faces."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.cli import main
from mien.edge.camera.demo_camera import PORTRAIT

Classify = Callable[..., tuple[list[dict[str, object]], str]]
"""Runs the command with --json; returns its rows and its last line."""


@pytest.fixture
def classify(capsys: pytest.CaptureFixture[str]) -> Classify:
    def run(*arguments: object) -> tuple[list[dict[str, object]], str]:
        assert main(["classify", *map(str, arguments), "--json"]) == 0
        captured = capsys.readouterr()
        return json.loads(captured.out), captured.err.splitlines()[-1]

    return run


def portrait(side: int = 260) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(PORTRAIT.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8)


def write_clip(path: Path, frames: int, *, faces: int | None = None) -> Path:
    """A clip of 25 frames a second with the portrait in the last `faces` frames; by default in all."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (260, 260))
    for number in range(frames):
        shows_face = faces is None or number >= frames - faces
        writer.write(portrait() if shows_face else np.full((260, 260, 3), 96, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        *(("still.gif", ".gif"), ("scan.tif", ".tiff"), ("photo.jfif", ".jpg"), ("photo.jpe", ".jpg")),
        *(("upload", ".jpg"), ("photo.mp4", ".jpg"), ("photo.jpg", ".png"), ("photo.txt", ".webp")),
    ],
)
def test_a_still_under_any_ending_is_a_still(tmp_path: Path, classify: Classify, name: str, encoding: str) -> None:
    is_encoded, data = cv2.imencode(encoding, portrait())
    assert is_encoded
    (tmp_path / name).write_bytes(data.tobytes())
    (row,), summary = classify(tmp_path / name)
    assert (row["file"], row["emotion"], row["at_s"], row["frames"]) == (name, "happy", None, 1)
    assert summary == "files 1, frames 1, faces 1, reported 1"


def test_a_video_called_an_image_is_a_video(tmp_path: Path, classify: Classify) -> None:
    write_clip(tmp_path / "clip.mp4", 5).rename(tmp_path / "clip.jpg")
    (row,), _ = classify(tmp_path / "clip.jpg")
    assert (row["at_s"], row["frames"]) == (0.16, 5)


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 8, 12])
def test_a_short_clip_gives_its_face(tmp_path: Path, classify: Classify, frames: int) -> None:
    (row,), summary = classify(write_clip(tmp_path / "clip.mp4", frames))
    assert row["frames"] == frames
    assert summary == f"files 1, frames {frames}, faces {frames}, reported {frames}"


def test_an_animated_gif_is_a_clip(tmp_path: Path, classify: Classify) -> None:
    animation = cv2.Animation()
    animation.frames = [np.roll(portrait(), shift, 1) for shift in range(6)]
    animation.durations = [200] * 6
    assert cv2.imwriteanimation(str(tmp_path / "animated.gif"), animation)
    (row,), _ = classify(tmp_path / "animated.gif")
    assert (row["at_s"], row["frames"], row["emotion"]) == (1.0, 6, "happy")


def test_jpegs_in_a_row_are_a_clip(tmp_path: Path, classify: Classify) -> None:
    """As `rpicam-vid --codec mjpeg` writes them."""
    (tmp_path / "clip").write_bytes(PORTRAIT.read_bytes() * 4)
    (row,), _ = classify(tmp_path / "clip")
    assert row["frames"] == 4


def test_a_face_that_flickers_in_a_longer_clip_is_left_out_and_counted(tmp_path: Path, classify: Classify) -> None:
    rows, summary = classify(write_clip(tmp_path / "clip.mp4", 40, faces=3))
    assert rows == []
    assert summary == "files 1, frames 40, faces 3, reported 0; left out: faces seen too briefly 3"


def test_what_is_too_small_is_left_out_and_counted(tmp_path: Path, classify: Classify) -> None:
    image = np.full((400, 400, 3), 96, np.uint8)
    image[:260, :260] = portrait()
    image[350:378, 350:378] = portrait(28)
    cv2.imwrite(str(tmp_path / "two.png"), image)
    rows, summary = classify(tmp_path / "two.png")
    assert len(rows) == 1
    assert summary == "files 1, frames 1, faces 2, reported 1; left out: faces too small 1"

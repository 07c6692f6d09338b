"""Images and videos of any name are read: a name is bytes, and not all bytes are UTF-8."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from simulated_time import SimulatedTime

from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.factory import open_camera
from mien.edge.camera.settings import FileCameraSettings

NAMES = [b"\xff", b"caf\xe9", "für dich".encode(), b"a:b%03d", b"-", b"new\nline", b'"quoted"']


def write_video(path: Path) -> Path:
    frame = cv2.imdecode(np.frombuffer(PORTRAIT.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert frame is not None
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (240, 260))
    for _ in range(3):
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image and a video of each name, in a folder whose own name is not UTF-8 either."""
    folder = tmp_path / os.fsdecode(b"folder\xfe")
    folder.mkdir()
    video = write_video(tmp_path / "video.mp4").read_bytes()
    for name in NAMES:
        (folder / os.fsdecode(name + b".jpg")).write_bytes(PORTRAIT.read_bytes())
        (folder / os.fsdecode(name + b".mp4")).write_bytes(video)
    return folder


def test_a_folder_of_any_names_is_read_and_copied(folder: Path, tmp_path: Path) -> None:
    """In a process of its own: OpenCV ended it by SIGSEGV."""
    command = [sys.executable, "-c", "import sys; from mien.cli import main; sys.exit(main())", "classify", "--json"]
    copies = tmp_path / os.fsdecode(b"copies\xfd")
    command += [str(folder), "--annotated", str(copies)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    expected = [name.decode(errors="backslashreplace") + suffix for name in NAMES for suffix in (".jpg", ".mp4")]
    assert sorted(row["file"] for row in rows) == sorted(expected)
    assert {row["emotion"] for row in rows} == {"happy"}
    assert sorted(copies.iterdir()) == sorted(copies / file.name for file in folder.iterdir())


@pytest.mark.parametrize("output_format", ["--csv", None])
def test_names_are_printed_in_every_format(folder: Path, output_format: str | None) -> None:
    command = [sys.executable, "-c", "import sys; from mien.cli import main; sys.exit(main())", "classify", str(folder)]
    command += [output_format] if output_format else []
    done = subprocess.run(
        command, capture_output=True, timeout=120, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0, done.stderr
    assert rb"caf\xe9.jpg" in done.stdout
    assert all(byte < 128 for byte in done.stdout)


def test_the_file_camera_shows_them(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / os.fsdecode(b"\xfd.jpg")).write_bytes(PORTRAIT.read_bytes()[:9000])
    settings = FileCameraSettings(path=str(folder), still_duration_s=0.1, frames_per_second=10)
    with caplog.at_level(logging.WARNING), open_camera(settings, SimulatedTime().timer()) as frames:
        shapes = [frame.image.shape for frame in frames]
    assert shapes == [(260, 240, 3)] * len(NAMES) * 4
    (line,) = caplog.messages
    assert line.startswith("left out: ")
    assert line.endswith(r"\xfd.jpg is cut off: copy it again")

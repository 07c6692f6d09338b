"""Files in place of a camera that cannot be shown."""

import logging
import os
from itertools import islice
from pathlib import Path

import pytest
from simulated_time import SimulatedTime

from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.factory import open_camera
from mien.edge.camera.settings import FileCameraSettings
from mien.errors import CameraError


def show(path: Path, *, count: int, loop: bool = False) -> int:
    """How many of the first frames there are; each image is one frame."""
    settings = FileCameraSettings(path=str(path), still_duration_s=0.1, frames_per_second=10, loop=loop)
    with open_camera(settings, SimulatedTime().timer()) as frames:
        return len(list(islice(frames, count)))


def test_a_file_that_is_cut_off_is_left_out_once_and_the_others_are_shown_in_a_loop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jpg").write_bytes(PORTRAIT.read_bytes())
    (tmp_path / "b.jpg").write_bytes(PORTRAIT.read_bytes()[:9000])
    (tmp_path / "c.jpg").write_bytes(PORTRAIT.read_bytes())
    (tmp_path / "notes.txt").write_text("no image")
    with caplog.at_level(logging.WARNING):
        assert show(tmp_path, count=11, loop=True) == 11
    assert caplog.messages == [
        f"left out: {tmp_path}/notes.txt is neither an image nor a video: convert it to JPEG, PNG or MP4",
        f"left out: {tmp_path}/b.jpg is cut off: copy it again",
    ]


@pytest.mark.parametrize("loop", [True, False])
def test_a_folder_without_anything_to_show_is_an_error(tmp_path: Path, loop: bool) -> None:
    (tmp_path / "a.jpg").write_bytes(PORTRAIT.read_bytes()[:9000])
    with pytest.raises(CameraError, match=r"none of the files in .* can be shown: name another folder"):
        show(tmp_path, count=1, loop=loop)


def test_a_single_file_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PORTRAIT.read_bytes()[:9000])
    with pytest.raises(CameraError, match=r"a\.jpg is cut off: copy it again"):
        show(tmp_path / "a.jpg", count=1)


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CameraError, match="pipe is not a regular file"):
        show(tmp_path / "pipe", count=1)

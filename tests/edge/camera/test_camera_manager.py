"""The camera manager, on simulated cameras: programs that replace rpicam-vid, and files."""

import time
from itertools import islice
from pathlib import Path

import pytest
from fake_program import install_program
from polling import wait_for
from simulated_time import SimulatedTime

from mien.edge.camera.camera_manager import FIRST_RETRY_S, CameraManager
from mien.edge.camera.frame import Frame
from mien.edge.camera.settings import RpicamSettings

SETTINGS = RpicamSettings(width=64, height=64, warmup_frames=0, start_timeout_s=5.0)


@pytest.fixture
def rpicam_vid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A camera at a hundred frames a second, whose brightness is the number of its start.

    It appends a line to the file `starts` at each start, and fails once the file `unplugged` exists.
    """
    source = (
        "#!/usr/bin/env python3\n"
        "import pathlib, sys, time\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "starts = folder / 'starts'\n"
        "with starts.open('a') as file: file.write('start\\n')\n"
        "number = len(starts.read_text().splitlines())\n"
        "while not (folder / 'unplugged').exists():\n"
        "    sys.stdout.buffer.write(bytes([number]) * 64 * 64 + bytes([128]) * 32 * 64)\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(0.01)\n"
        "sys.exit('ERROR: the cable is loose')\n"
    )
    return install_program(tmp_path, monkeypatch, "rpicam-vid", source)


def count_starts(folder: Path) -> int:
    return len((folder / "starts").read_text().splitlines()) if (folder / "starts").exists() else 0


def read_state(camera_manager: CameraManager) -> str:
    """The state, read again: mypy would assume that the property has not changed since the last assertion."""
    return camera_manager.state


def capture_frames(camera_manager: CameraManager, count: int = 3) -> list[Frame]:
    with camera_manager.frames() as frames:
        return list(islice((frame for frame in frames if frame is not None), count))


def test_the_camera_is_closed_between_captures(rpicam_vid: Path, tmp_path: Path) -> None:
    with CameraManager(SETTINGS) as camera_manager:
        assert (camera_manager.state, count_starts(tmp_path)) == ("closed", 0)
        assert [float(frame.gray.mean()) for frame in capture_frames(camera_manager)] == [1, 1, 1]
        assert camera_manager.state == "closed"
        assert [float(frame.gray.mean()) for frame in capture_frames(camera_manager)] == [2, 2, 2]
        assert camera_manager.poll() is None


def test_a_standby_camera_stays_open(rpicam_vid: Path, tmp_path: Path) -> None:
    with CameraManager(SETTINGS, standby=True) as camera_manager:
        wait_for(lambda: camera_manager.poll() is not None)
        assert read_state(camera_manager) == "on"
        for _ in range(3):
            assert {float(frame.gray.mean()) for frame in capture_frames(camera_manager)} == {1.0}
        assert count_starts(tmp_path) == 1
    assert read_state(camera_manager) == "closed"


@pytest.mark.parametrize("standby", [False, True])
def test_a_failed_camera_is_reported_and_reopened(rpicam_vid: Path, tmp_path: Path, standby: bool) -> None:
    simulated_time = SimulatedTime()
    with CameraManager(SETTINGS, standby=standby, timer=simulated_time.timer()) as camera_manager:
        with camera_manager.frames() as frames:
            assert any(frame is not None for frame in islice(frames, 20))
            (tmp_path / "unplugged").touch()
            list(frames)  # they end
        assert (camera_manager.state, camera_manager.failures) == ("failing", 1)
        assert "the cable is loose" in camera_manager.error
        assert not camera_manager.is_ready
        (tmp_path / "unplugged").unlink()
        simulated_time.sleep(FIRST_RETRY_S / 2)
        assert not camera_manager.is_ready
        simulated_time.sleep(FIRST_RETRY_S)
        assert camera_manager.is_ready
        assert capture_frames(camera_manager)
        assert (camera_manager.state, camera_manager.error) == ("on" if standby else "closed", "")


def test_the_failure_of_a_standby_camera_is_detected_without_a_capture(rpicam_vid: Path, tmp_path: Path) -> None:
    simulated_time = SimulatedTime()
    with CameraManager(SETTINGS, standby=True, timer=simulated_time.timer()) as camera_manager:
        wait_for(lambda: camera_manager.poll() is not None)
        (tmp_path / "unplugged").touch()
        wait_for(lambda: camera_manager.poll() is None)
        assert read_state(camera_manager) == "failing"
        (tmp_path / "unplugged").unlink()
        simulated_time.sleep(2 * FIRST_RETRY_S)
        wait_for(lambda: camera_manager.poll() is not None)
        assert read_state(camera_manager) == "on"


def test_a_hanging_camera_does_not_block_its_caller(rpicam_vid: Path) -> None:
    rpicam_vid.write_text("#!/bin/sh\nexec sleep 60\n")
    start_s = time.monotonic()
    with CameraManager(SETTINGS) as camera_manager, camera_manager.frames() as frames:
        assert [next(frames), next(frames)] == [None, None]
    assert time.monotonic() - start_s < 2  # it does not wait for the camera, but kills it


def test_frames_that_are_not_fetched_in_time_are_dropped(rpicam_vid: Path) -> None:
    with CameraManager(SETTINGS) as camera_manager, camera_manager.frames() as frames:
        next(frame for frame in frames if frame is not None)
        time.sleep(0.6)
        arrived_s = next(frame for frame in frames if frame is not None).arrived_s
        assert time.monotonic() - arrived_s < 0.5

"""The agent's one camera, on cameras of the tests: programs in rpicam-vid's place, and files."""

import stat
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from waiting import wait_for

from mien.edge.camera import open_camera
from mien.edge.eye import Eye
from mien.edge.frame import Frame
from mien.edge.settings import Camera

SMALL = Camera(kind="rpicam", width=64, height=64, settle_frames=0, start_timeout_s=5.0)


@pytest.fixture
def rpicam_vid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A camera that gives the number of its start as grey, a hundred frames a second, until the file `gone` is there.

    The file `starts` has a line for each time that it was started, `ends` one for each time that it was ended.
    """
    program = tmp_path / "rpicam-vid"
    program.write_text(
        "#!/usr/bin/env python3\n"
        "import pathlib, sys, time\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "starts = folder / 'starts'\n"
        "with starts.open('a') as file: file.write('start\\n')\n"
        "number = len(starts.read_text().splitlines())\n"
        "while not (folder / 'gone').exists():\n"
        "    sys.stdout.buffer.write(bytes([number]) * 64 * 64 + bytes([128]) * 32 * 64)\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(0.01)\n"
        "sys.exit('ERROR: the cable is loose')\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return program


def starts(folder: Path) -> int:
    return len((folder / "starts").read_text().splitlines()) if (folder / "starts").exists() else 0


def some(eye: Eye, count: int = 3) -> list[Frame]:
    with eye.frames() as frames:
        return list(islice((frame for frame in frames if frame is not None), count))


def test_the_camera_is_closed_between_captures(rpicam_vid: Path, tmp_path: Path) -> None:
    with Eye(SMALL) as eye:
        assert (eye.state, starts(tmp_path)) == ("closed", 0)
        assert [float(frame.gray.mean()) for frame in some(eye)] == [1, 1, 1]
        assert eye.state == "closed"
        assert [float(frame.gray.mean()) for frame in some(eye)] == [2, 2, 2]
        assert eye.watch() is None


def test_on_standby_it_stays_open(rpicam_vid: Path, tmp_path: Path) -> None:
    with Eye(SMALL, standby=True) as eye:
        wait_for(lambda: eye.watch() is not None)
        assert eye.state == "on"
        for _ in range(3):
            assert {float(frame.gray.mean()) for frame in some(eye)} == {1.0}
        assert starts(tmp_path) == 1
    assert eye.state == "closed"


@pytest.mark.parametrize("standby", [False, True])
def test_a_camera_that_dies_is_reported_and_opened_again(rpicam_vid: Path, tmp_path: Path, standby: bool) -> None:
    with Eye(SMALL, standby=standby) as eye:
        with eye.frames() as frames:
            assert any(frame is not None for frame in islice(frames, 20))
            (tmp_path / "gone").touch()
            list(frames)  # they end
        assert (eye.state, eye.failures) == ("failing", 1)
        assert "the cable is loose" in eye.error
        assert not eye.ready
        (tmp_path / "gone").unlink()
        wait_for(lambda: eye.ready)
        assert some(eye)
        assert (eye.state, eye.error) == ("on" if standby else "closed", "")


def test_on_standby_a_failure_is_seen_without_a_capture(rpicam_vid: Path, tmp_path: Path) -> None:
    with Eye(SMALL, standby=True) as eye:
        wait_for(lambda: eye.watch() is not None)
        (tmp_path / "gone").touch()
        wait_for(lambda: eye.watch() is None)
        assert eye.state == "failing"
        (tmp_path / "gone").unlink()
        wait_for(lambda: eye.watch() is not None)
        assert eye.state == "on"


def test_a_camera_that_hangs_holds_nobody_up(rpicam_vid: Path) -> None:
    rpicam_vid.write_text("#!/bin/sh\nexec sleep 60\n")
    begun_s = time.monotonic()
    with Eye(SMALL) as eye, eye.frames() as frames:
        assert [next(frames), next(frames)] == [None, None]
    assert time.monotonic() - begun_s < 4


def test_frames_that_nobody_takes_in_time_are_gone(rpicam_vid: Path) -> None:
    with Eye(SMALL) as eye, eye.frames() as frames:
        next(frame for frame in frames if frame is not None)
        time.sleep(1.0)
        arrived_s = next(frame for frame in frames if frame is not None).arrived_s
        assert time.monotonic() - arrived_s < 0.5


def picture(tmp_path: Path, camera: dict[str, object]) -> np.ndarray:
    """A white corner at the top left of a dark picture, as a camera with these settings shows it."""
    gray = np.zeros((40, 60), np.uint8)
    gray[:10, :20] = 255
    cv2.imwrite(str(tmp_path / "corner.png"), gray)
    settings = Camera(kind="file", path=str(tmp_path / "corner.png"), **camera)  # type: ignore[arg-type]
    with open_camera(settings) as frames:
        return next(frames).gray


def test_a_camera_that_hangs_askew_is_put_right(tmp_path: Path) -> None:
    assert picture(tmp_path, {})[0, 0] == 255
    assert picture(tmp_path, {"rotation": 180})[-1, -1] == 255
    turned = picture(tmp_path, {"rotation": 90})
    assert turned.shape == (60, 40)
    assert turned[0, -1] == 255
    assert picture(tmp_path, {"rotation": 270})[-1, 0] == 255
    assert picture(tmp_path, {"mirror": True})[0, -1] == 255
    assert picture(tmp_path, {"rotation": 90, "mirror": True})[0, 0] == 255


def test_a_part_to_ignore_is_blank(tmp_path: Path) -> None:
    ignored = picture(tmp_path, {"ignore": [(0.0, 0.0, 0.5, 0.5)]})
    assert set(np.unique(ignored[:20, :30])) == {128}
    assert set(np.unique(ignored[20:, 30:])) == {0}

import stat
import sys
import time
from itertools import islice
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

import mien.broker
from mien.edge.camera import check_camera, open_camera
from mien.edge.frame import Frame
from mien.edge.settings import Camera
from mien.errors import CameraError

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"


def frames_of(camera: Camera, count: int | None = None) -> list[Frame]:
    with open_camera(camera) as frames:
        return list(islice(frames, count))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Two seconds at 20 frames a second, each frame brighter than the one before."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (64, 48))
    for number in range(40):
        writer.write(np.full((48, 64, 3), number * 6, np.uint8))
    writer.release()
    return path


def test_a_video_is_seen_at_its_own_speed_and_then_ends(video: Path) -> None:
    begun_s = time.monotonic()
    frames = frames_of(Camera(kind="file", path=str(video), frames_per_second=10))
    assert len(frames) == 20
    assert 1.5 < time.monotonic() - begun_s < 6.0
    brightness = [float(frame.gray.mean()) for frame in frames]
    assert brightness == sorted(brightness)
    assert frames[0].gray.shape == (48, 64)


def test_a_video_can_loop(video: Path) -> None:
    frames = frames_of(Camera(kind="file", path=str(video), frames_per_second=100, loop=True), 50)
    assert len(frames) == 50


def test_a_picture_is_shown_for_a_while(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((40, 50), np.uint8))
    camera = Camera(kind="file", path=str(tmp_path / "one.png"), picture_s=0.3, frames_per_second=20)
    assert len(frames_of(camera)) == 6


def test_a_folder_is_shown_in_the_order_of_its_names(tmp_path: Path, video: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 64), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "d.png"), np.full((48, 64), 100, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    frames = frames_of(Camera(kind="file", path=str(tmp_path), picture_s=0.1, frames_per_second=20))
    assert [frame.gray.mean() for frame in frames[:2]] == [200, 200]
    assert [frame.gray.mean() for frame in frames[-2:]] == [100, 100]
    assert len(frames) == 44


def test_a_portrait_drifts_without_end() -> None:
    frames = frames_of(Camera(kind="portrait", path=str(PORTRAIT), frames_per_second=50), 20)
    assert frames[0].gray.shape == (480, 640)
    assert not np.array_equal(frames[0].gray, frames[-1].gray)


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        (Camera(kind="file", path="/nowhere.mp4"), "/nowhere.mp4 does not exist"),
        (Camera(kind="file", path="/proc/version"), "is not a video or picture that OpenCV can read"),
        (Camera(kind="portrait", path="/proc/version"), "is not a picture that OpenCV can read"),
        (Camera(kind="usb", index=77), "USB camera 77 gives no frame"),
        (Camera(kind="rtsp", url_file="/nowhere"), "camera.url_file /nowhere cannot be read"),
    ],
)
def test_a_camera_without_a_frame_is_an_error_with_its_cure(camera: Camera, message: str) -> None:
    with pytest.raises(CameraError, match=message):
        frames_of(camera, 1)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="holds no picture or video"):
        frames_of(Camera(kind="file", path=str(tmp_path)), 1)


@pytest.fixture
def rpicam_vid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in rpicam-vid's place, as its manual describes the raw output: whole YUV 4:2:0 frames on stdout."""
    program = tmp_path / "rpicam-vid"
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "option = lambda name: sys.argv[sys.argv.index('--' + name) + 1]\n"
        "assert option('codec') == 'yuv420' and option('output') == '-', sys.argv\n"
        "luma = int(option('width')) * int(option('height'))\n"
        "for number in range(100):\n"
        "    sys.stdout.buffer.write(bytes([number]) * luma + bytes([128]) * (luma // 2))\n"
        "sys.exit('ERROR: *** no cameras available ***')\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return program


def test_rpicam_gives_the_y_plane_after_the_exposure_has_settled(rpicam_vid: Path) -> None:
    frames = frames_of(Camera(kind="rpicam", width=128, height=96, settle_frames=15), 5)
    assert [frame.gray.mean() for frame in frames] == [15, 16, 17, 18, 19]
    assert frames[0].gray.shape == (96, 128)


def test_an_rpicam_that_ends_says_why(rpicam_vid: Path) -> None:
    with pytest.raises(CameraError, match=r"gives no frame \(ERROR: \*\*\* no cameras available"):
        frames_of(Camera(kind="rpicam", width=128, height=96), 200)


def test_a_hanging_rpicam_is_given_up_in_time(rpicam_vid: Path) -> None:
    rpicam_vid.write_text("#!/bin/sh\nexec sleep 60\n")
    begun_s = time.monotonic()
    with pytest.raises(CameraError, match="gives no frame"):
        frames_of(Camera(kind="rpicam", width=128, height=96, start_timeout_s=0.3), 1)
    assert time.monotonic() - begun_s < 10


def test_what_cannot_work_is_told_before_the_first_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CameraError, match="rpicam-vid is not installed: apt install rpicam-apps-lite"):
        check_camera(Camera(kind="rpicam"))
    with pytest.raises(CameraError, match=r"/nowhere.mp4 does not exist"):
        check_camera(Camera(kind="file", path="/nowhere.mp4"))
    with pytest.raises(CameraError, match=r"there is no USB camera 77: plug it in"):
        check_camera(Camera(kind="usb", index=77))
    check_camera(Camera(kind="file", path="/"))


def test_a_network_camera_is_read_from_the_address_in_its_file(tmp_path: Path, video: Path) -> None:
    """OpenCV's FFmpeg opens a file by the same call as an rtsp:// address."""
    (tmp_path / "address").write_text(f"{video}\n")
    camera = Camera(kind="rtsp", url_file=str(tmp_path / "address"), settle_frames=0, frames_per_second=120)
    assert frames_of(camera, 1)[0].gray.shape == (48, 64)
    (tmp_path / "address").write_text("rtsp://viewer:secret@127.0.0.1:9/stream\n")
    with pytest.raises(CameraError, match="gives no frame: check the address there") as refused:
        frames_of(msgspec.structs.replace(camera, start_timeout_s=1.0), 1)
    assert "secret" not in str(refused.value)
